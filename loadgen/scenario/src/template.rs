//! Templates: text or JSON with `{{expression}}` in it, compiled once when the scenario is read and rendered into a buffer per
//! request. Must not know where variables come from (feeders, set-up, extraction, a recorded trace).

use std::fmt::Write as _;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::as_written::{AsWritten, kept};
use super::expression::{EvaluationError, Expression, Scope};
use super::filter::{percent_encoded, plain};

#[derive(Debug, Clone)]
enum Segment {
    Literal(String),
    /// As plain text: a JSON string without its quotes.
    Text(Expression),
    /// As a whole JSON value: numbers, arrays and objects keep their type.
    Json(Expression),
    /// Inside a JSON string: escaped.
    JsonText(Expression),
    /// Inside a query or a form: percent-encoded.
    Url(Expression),
}

/// A compiled template.
#[derive(Debug, Clone, Default)]
pub struct Template {
    segments: Vec<Segment>,
}

impl Template {
    /// Compiles plain text. The error says what is allowed.
    pub fn text(source: &str) -> Result<Self, String> {
        let mut template = Self::default();
        template.push_text(source, false)?;
        Ok(template)
    }

    /// Compiles a JSON value: a string that is one `{{expression}}` becomes that expression's value with its type.
    pub fn json(value: &Value) -> Result<Self, String> {
        let mut template = Self::default();
        template.push_json(value)?;
        Ok(template)
    }

    /// This text as it is, without expressions.
    pub(crate) fn literal_text(text: &str) -> Self {
        let mut template = Self::default();
        template.literal(text);
        template
    }

    fn literal(&mut self, text: &str) {
        match self.segments.last_mut() {
            Some(Segment::Literal(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.segments.push(Segment::Literal(text.to_owned())),
        }
    }

    /// `in_json`: the text stands inside a JSON string, so that literals and values are escaped.
    fn push_text(&mut self, source: &str, in_json: bool) -> Result<(), String> {
        let wrap = if in_json {
            Segment::JsonText
        } else {
            Segment::Text
        };
        let literal = |text: &str| {
            if in_json {
                escape(text)
            } else {
                text.to_owned()
            }
        };
        let mut rest = source;
        while let Some(start) = rest.find("{{") {
            let end = rest[start..]
                .find("}}")
                .ok_or_else(|| format!("`{{{{` without `}}}}` in `{source}`"))?
                + start;
            self.literal(&literal(&rest[..start]));
            self.segments
                .push(wrap(Expression::parse(&rest[start + 2..end])?));
            rest = &rest[end + 2..];
        }
        self.literal(&literal(rest));
        Ok(())
    }

    fn push_json(&mut self, value: &Value) -> Result<(), String> {
        match value {
            Value::String(text) => {
                let inner = text.strip_prefix("{{").and_then(|t| t.strip_suffix("}}"));
                match inner.filter(|t| !t.contains("}}")) {
                    Some(expression) => self
                        .segments
                        .push(Segment::Json(Expression::parse(expression)?)),
                    None => {
                        self.literal("\"");
                        self.push_text(text, true)?;
                        self.literal("\"");
                    }
                }
            }
            Value::Array(items) => {
                self.literal("[");
                for (i, item) in items.iter().enumerate() {
                    self.literal(if i == 0 { "" } else { "," });
                    self.push_json(item)?;
                }
                self.literal("]");
            }
            number if kept(number).is_some() => self.literal(&AsWritten(number).to_string()),
            Value::Object(fields) => {
                self.literal("{");
                for (i, (name, item)) in fields.iter().enumerate() {
                    let comma = if i == 0 { "" } else { "," };
                    self.literal(&format!("{comma}\"{}\":", escape(name)));
                    self.push_json(item)?;
                }
                self.literal("}");
            }
            other => self.literal(&other.to_string()),
        }
        Ok(())
    }

    /// The names of the variables this template reads.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.expressions().flat_map(Expression::variables)
    }

    /// The text before its first expression.
    pub fn beginning(&self) -> &str {
        match self.segments.first() {
            Some(Segment::Literal(text)) => text,
            _ => "",
        }
    }

    /// The template's text, if it has no expressions.
    pub fn as_literal(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [] => Some(""),
            [Segment::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Its expression, if it is nothing else.
    pub(crate) fn only_expression(&self) -> Option<&Expression> {
        let first = self.expressions().next();
        first.filter(|_| self.segments.len() == 1)
    }

    /// Appends the rendered template to `out`.
    pub fn render_into(
        &self,
        scope: &mut Scope<'_>,
        out: &mut String,
    ) -> Result<(), EvaluationError> {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => out.push_str(text),
                Segment::Text(e) => match &*e.evaluate(scope)? {
                    Value::String(text) => out.push_str(text),
                    other => {
                        write!(out, "{}", AsWritten(other))
                            .expect("writing to a String cannot fail");
                    }
                },
                Segment::Json(e) => {
                    write!(out, "{}", AsWritten(&*e.evaluate(scope)?))
                        .expect("writing to a String cannot fail");
                }
                Segment::JsonText(e) => match &*e.evaluate(scope)? {
                    Value::String(text) => out.push_str(&escape(text)),
                    other => out.push_str(&escape(&AsWritten(other).to_string())),
                },
                Segment::Url(e) => out.push_str(&percent_encoded(&plain(&*e.evaluate(scope)?))),
            }
        }
        Ok(())
    }

    /// Renders into a new string.
    pub fn render(&self, scope: &mut Scope<'_>) -> Result<String, EvaluationError> {
        let mut out = String::new();
        self.render_into(scope, &mut out)?;
        Ok(out)
    }

    /// Renders to a JSON value: a template that is one expression keeps its value's type, other text is a string.
    pub fn render_value(&self, scope: &mut Scope<'_>) -> Result<Value, EvaluationError> {
        match self.segments.as_slice() {
            [Segment::Text(e) | Segment::Json(e) | Segment::JsonText(e) | Segment::Url(e)] => {
                Ok(e.evaluate(scope)?.into_owned())
            }
            _ => Ok(Value::String(self.render(scope)?)),
        }
    }
}

/// As it stands in the scenario, but for characters that were escaped.
impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => f.write_str(text),
            Segment::Text(e) | Segment::Json(e) | Segment::JsonText(e) | Segment::Url(e) => {
                write!(f, "{{{{{}}}}}", e.text())
            }
        })
    }
}

/// Text as it stands between the quotes of a JSON string.
pub(crate) fn escape(text: &str) -> String {
    let quoted = Value::String(text.to_owned()).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

impl Template {
    /// The template's expressions.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Text(e) | Segment::Json(e) | Segment::JsonText(e) | Segment::Url(e) => Some(e),
        })
    }

    /// Encodes fields as a query or a form does: `a=1&b=two%20words`.
    pub fn fields(fields: impl IntoIterator<Item = (String, Self)>) -> Self {
        let mut out = Self::default();
        for (i, (name, value)) in fields.into_iter().enumerate() {
            let between = if i == 0 { "" } else { "&" };
            out.literal(&format!("{between}{}=", percent_encoded(&name)));
            for segment in value.segments {
                match segment {
                    Segment::Literal(text) => out.literal(&percent_encoded(&text)),
                    Segment::Text(e)
                    | Segment::Json(e)
                    | Segment::JsonText(e)
                    | Segment::Url(e) => {
                        out.segments.push(Segment::Url(e));
                    }
                }
            }
        }
        out
    }

    /// Appends a query to this path.
    pub fn with_query(mut self, query: Self) -> Self {
        let has_query = self
            .segments
            .iter()
            .any(|s| matches!(s, Segment::Literal(text) if text.contains('?')));
        self.literal(if has_query { "&" } else { "?" });
        for segment in query.segments {
            match segment {
                Segment::Literal(text) => self.literal(&text),
                other => self.segments.push(other),
            }
        }
        self
    }
}

impl schemars::JsonSchema for Template {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Template".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Text with {{variable}}, {{variable.field}}, {{uuid}}, {{now}} or {{random:1:100}} in it, and filters such as {{items|length}}."
        })
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(source) => Self::text(&source).map_err(D::Error::custom),
            other => Err(D::Error::custom(format!(
                "{other} is no text; allowed: a text in quotes"
            ))),
        }
    }
}
