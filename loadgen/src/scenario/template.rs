//! Templates: text or JSON with `{{expression}}` in it, compiled once when the scenario is read and rendered into a buffer per
//! request. Knows variables by name only; must not know where they come from (feeders, set-up, extraction, a recorded trace).

use std::borrow::Cow;
use std::fmt::Write as _;

use rand::RngExt;
use rand::rngs::SmallRng;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The variables of one journey (or of one set-up iteration), by name.
pub type Vars = serde_json::Map<String, Value>;

/// What an expression may look at: layers of variables, the first that has a name wins.
pub struct Scope<'a> {
    /// Innermost layer first.
    pub layers: &'a [&'a Vars],
    /// The source of `uuid` and `random:…`; seeded, so that one seed gives one run.
    pub rng: &'a mut SmallRng,
}

impl Scope<'_> {
    fn lookup(&self, name: &str) -> Option<&Value> {
        self.layers.iter().find_map(|layer| layer.get(name))
    }
}

/// An expression could not be evaluated: a variable is unset, or a filter does not fit the value.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{{{{{expression}}}}}: {problem}")]
pub struct RenderError {
    expression: String,
    problem: String,
}

#[derive(Debug, Clone)]
enum Source {
    /// A variable, and the fields to descend into.
    Var { name: String, fields: Vec<String> },
    /// A random version 4 UUID.
    Uuid,
    /// Unix time in seconds, with a fraction.
    Now,
    /// A whole number from an inclusive range.
    Random(i64, i64),
    /// A number or text that stands in the expression itself.
    Constant(Value),
}

#[derive(Debug, Clone)]
enum Filter {
    /// A JSON pointer into each element of an array.
    Each(String),
    /// The sum of whole numbers: of an array's elements, or of what a JSON pointer finds in each.
    Sum(String),
    Length,
    First,
    Last,
    /// A JSON pointer into the value.
    At(String),
    Add(i64),
    Mul(i64),
    Mod(i64),
    /// Whole number → text, padded with zeros to this many digits.
    Pad(usize),
    /// Something → JSON text.
    Json,
}

const FILTERS: &str = "each:/pointer, sum, sum:/pointer, length, first, last, at:/pointer, add:N, mul:N, mod:N, pad:N, json";

/// One `{{…}}`: a source and filters, `{{products|sum:/price}}`.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    source: Source,
    filters: Vec<Filter>,
}

fn integer(argument: Option<&str>, what: &str) -> Result<i64, String> {
    argument
        .and_then(|a| a.trim().parse().ok())
        .ok_or_else(|| format!("`{what}` needs a whole number, as in `{what}:10`"))
}

impl Expression {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split('|').map(str::trim);
        let head = parts.next().unwrap_or_default();
        let source = Self::parse_source(head)?;
        let filters = parts.map(Self::parse_filter).collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.trim().to_owned(),
            source,
            filters,
        })
    }

    fn parse_source(head: &str) -> Result<Source, String> {
        if head.is_empty() {
            return Err(
                "an empty {{}}; allowed: a variable, `uuid`, `now`, `random:FROM:TO`".into(),
            );
        }
        if let Some(range) = head.strip_prefix("random:") {
            let (from, to) = range
                .split_once(':')
                .ok_or("`random` needs a range, as in `random:1:100`")?;
            let (from, to) = (integer(Some(from), "random")?, integer(Some(to), "random")?);
            if from > to {
                return Err(format!("`random:{from}:{to}` is an empty range"));
            }
            return Ok(Source::Random(from, to));
        }
        if let Ok(number) = head.parse::<i64>() {
            return Ok(Source::Constant(number.into()));
        }
        match head {
            "uuid" => return Ok(Source::Uuid),
            "now" => return Ok(Source::Now),
            _ => {}
        }
        let mut path = head.split('.').map(str::to_owned);
        let name = path.next().unwrap_or_default();
        let legal = |part: &str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
        };
        let fields: Vec<String> = path.collect();
        if !legal(&name) || !fields.iter().all(|f| legal(f)) {
            return Err(format!(
                "`{head}` is not a variable's name (letters, digits, `_`, `-`; fields after a dot)"
            ));
        }
        Ok(Source::Var { name, fields })
    }

    fn parse_filter(text: &str) -> Result<Filter, String> {
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let pointer = || match argument {
            Some(p) if p.starts_with('/') => Ok(p.to_owned()),
            _ => Err(format!(
                "`{name}` needs a JSON pointer, as in `{name}:/price`"
            )),
        };
        Ok(match name {
            "each" => Filter::Each(pointer()?),
            "sum" if argument.is_none() => Filter::Sum(String::new()),
            "sum" => Filter::Sum(pointer()?),
            "length" => Filter::Length,
            "first" => Filter::First,
            "last" => Filter::Last,
            "at" => Filter::At(pointer()?),
            "add" => Filter::Add(integer(argument, name)?),
            "mul" => Filter::Mul(integer(argument, name)?),
            "mod" => match integer(argument, name)? {
                0 => return Err("`mod:0` divides by zero".into()),
                n => Filter::Mod(n),
            },
            "pad" => Filter::Pad(integer(argument, name)?.clamp(0, 64) as usize),
            "json" => Filter::Json,
            _ => return Err(format!("unknown filter `{name}`; allowed: {FILTERS}")),
        })
    }

    /// The variable this expression reads, if it reads one.
    fn variable(&self) -> Option<&str> {
        match &self.source {
            Source::Var { name, .. } => Some(name),
            _ => None,
        }
    }

    fn error(&self, problem: impl Into<String>) -> RenderError {
        RenderError {
            expression: self.text.clone(),
            problem: problem.into(),
        }
    }

    fn evaluate<'s>(&self, scope: &'s mut Scope<'_>) -> Result<Cow<'s, Value>, RenderError> {
        let mut value = match &self.source {
            Source::Uuid => Cow::Owned(Value::String(random_uuid(scope.rng))),
            Source::Now => Cow::Owned(unix_seconds().into()),
            Source::Random(from, to) => Cow::Owned(scope.rng.random_range(*from..=*to).into()),
            Source::Constant(value) => Cow::Owned(value.clone()),
            Source::Var { name, fields } => {
                let mut value = scope
                    .lookup(name)
                    .ok_or_else(|| self.error(format!("`{name}` is not set")))?;
                for field in fields {
                    value = value
                        .get(field)
                        .ok_or_else(|| self.error(format!("there is no field `{field}`")))?;
                }
                Cow::Borrowed(value)
            }
        };
        for filter in &self.filters {
            value = self.apply(filter, value)?;
        }
        Ok(value)
    }

    fn apply<'s>(
        &self,
        filter: &Filter,
        value: Cow<'s, Value>,
    ) -> Result<Cow<'s, Value>, RenderError> {
        let array = || value.as_array().ok_or_else(|| self.error("not an array"));
        let number = || {
            value
                .as_i64()
                .ok_or_else(|| self.error("not a whole number"))
        };
        let at = |v: &Value, pointer: &str| {
            v.pointer(pointer)
                .cloned()
                .ok_or_else(|| self.error(format!("nothing at `{pointer}`")))
        };
        let result: Value = match filter {
            Filter::Each(pointer) => array()?
                .iter()
                .map(|v| at(v, pointer))
                .collect::<Result<Vec<_>, _>>()?
                .into(),
            Filter::Sum(pointer) => {
                let mut sum = 0_i64;
                for element in array()? {
                    let found = element.pointer(pointer).and_then(Value::as_i64);
                    sum += found
                        .ok_or_else(|| self.error(format!("no whole number at `{pointer}`")))?;
                }
                sum.into()
            }
            Filter::Length => match &*value {
                Value::Array(items) => items.len().into(),
                Value::String(text) => text.chars().count().into(),
                _ => return Err(self.error("neither an array nor text")),
            },
            Filter::First => array()?
                .first()
                .cloned()
                .ok_or_else(|| self.error("an empty array"))?,
            Filter::Last => array()?
                .last()
                .cloned()
                .ok_or_else(|| self.error("an empty array"))?,
            Filter::At(pointer) => at(&value, pointer)?,
            Filter::Add(n) => (number()?.wrapping_add(*n)).into(),
            Filter::Mul(n) => (number()?.wrapping_mul(*n)).into(),
            Filter::Mod(n) => number()?.rem_euclid(*n).into(),
            Filter::Pad(width) => format!("{:0width$}", number()?).into(),
            Filter::Json => value.to_string().into(),
        };
        Ok(Cow::Owned(result))
    }
}

/// Unix time in seconds, with a fraction.
pub fn unix_seconds() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

fn random_uuid(rng: &mut SmallRng) -> String {
    let bits: u128 = rng.random();
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

#[derive(Debug, Clone)]
enum Segment {
    Literal(String),
    /// As plain text: a JSON string without its quotes.
    Text(Expression),
    /// As a whole JSON value: numbers, arrays and objects keep their type.
    Json(Expression),
    /// Inside a JSON string: escaped.
    JsonText(Expression),
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
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Text(e) | Segment::Json(e) | Segment::JsonText(e) => e.variable(),
        })
    }

    /// Appends the rendered template to `out`.
    pub fn render_into(&self, scope: &mut Scope<'_>, out: &mut String) -> Result<(), RenderError> {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => out.push_str(text),
                Segment::Text(e) => match &*e.evaluate(scope)? {
                    Value::String(text) => out.push_str(text),
                    other => write!(out, "{other}").expect("writing to a String cannot fail"),
                },
                Segment::Json(e) => {
                    write!(out, "{}", e.evaluate(scope)?).expect("writing to a String cannot fail");
                }
                Segment::JsonText(e) => match &*e.evaluate(scope)? {
                    Value::String(text) => out.push_str(&escape(text)),
                    other => out.push_str(&escape(&other.to_string())),
                },
            }
        }
        Ok(())
    }

    /// Renders into a new string.
    pub fn render(&self, scope: &mut Scope<'_>) -> Result<String, RenderError> {
        let mut out = String::new();
        self.render_into(scope, &mut out)?;
        Ok(out)
    }

    /// Renders to a JSON value: a template that is one expression keeps its value's type, other text is a string.
    pub fn render_value(&self, scope: &mut Scope<'_>) -> Result<Value, RenderError> {
        match self.segments.as_slice() {
            [Segment::Text(e) | Segment::Json(e) | Segment::JsonText(e)] => {
                Ok(e.evaluate(scope)?.into_owned())
            }
            _ => Ok(Value::String(self.render(scope)?)),
        }
    }
}

fn escape(text: &str) -> String {
    let quoted = Value::String(text.to_owned()).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = String::deserialize(deserializer)?;
        Self::text(&source).map_err(serde::de::Error::custom)
    }
}
