//! Values that may be written in more than one way, each with its JSON schema for editors.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::as_written;
use crate::template::Template;
use crate::think_time::ThinkTime;

/// Implements `JsonSchema` for a type, given its name and its schema.
macro_rules! shape {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

/// Reads a name, by which reports, thresholds and files tell things apart.
pub fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    match name.trim().is_empty() {
        true => Err(D::Error::custom("a name is empty, expected a text")),
        false => Ok(name),
    }
}

/// The same where the name may be left out.
pub fn optional_name<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    name(deserializer).map(Some)
}

/// A template whose rendering is JSON, from inline TOML or from a string that holds JSON.
#[derive(Debug)]
pub struct JsonTemplate(pub Template);

shape!(JsonTemplate, "JsonTemplate", {
    "description": "Any value; text in it may hold {{…}}, and text that is one {{…}} becomes that value with its type."
});

impl<'de> Deserialize<'de> for JsonTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        let json = crate::toml_json::json(value).map_err(D::Error::custom)?;
        // Text that is itself a JSON object or array is that JSON, else it is a JSON string.
        let json = match &json {
            Value::String(text)
                if text.trim_start().starts_with(['[', '{'])
                    && !text.trim_start().starts_with("{{") =>
            {
                as_written::parse(text)
                    .map_err(|e| D::Error::custom(format!("the body is not JSON: {e}")))?
            }
            _ => json,
        };
        Template::json(&json).map(Self).map_err(D::Error::custom)
    }
}

/// A number of iterations: a whole number, or a template such as `{{products}}`.
#[derive(Debug)]
pub struct RepeatCount(pub Template);

shape!(RepeatCount, "RepeatCount", {
    "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": "\\{\\{.*\\}\\}" }],
    "description": "A whole number from 1, or a template such as {{products}}."
});

impl<'de> Deserialize<'de> for RepeatCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match toml::Value::deserialize(deserializer)? {
            toml::Value::Integer(n) if n > 0 => format!("{{{{{n}}}}}"),
            toml::Value::String(text) if text.contains("{{") => text,
            other => {
                return Err(D::Error::custom(format!(
                    "{other} is not a count; allowed: a whole number from 1, or a template such as \"{{{{products}}}}\""
                )));
            }
        };
        Template::text(&text).map(Self).map_err(D::Error::custom)
    }
}

/// A list: a variable's name, or a template such as `{{answer.items}}`.
#[derive(Debug)]
pub struct ListTemplate(pub Template);

shape!(ListTemplate, "ListTemplate", {
    "type": "string",
    "description": "A list: a variable's name, or a template such as {{answer.items}}."
});

impl<'de> Deserialize<'de> for ListTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let text = match text.contains("{{") {
            true => text,
            false => format!("{{{{{text}}}}}"),
        };
        Template::text(&text).map(Self).map_err(D::Error::custom)
    }
}

/// One status or several.
#[derive(Debug, Clone, Default)]
pub struct Statuses(pub Vec<u16>);

shape!(Statuses, "Statuses", {
    "anyOf": [
        { "type": "integer", "minimum": 100, "maximum": 599 },
        { "type": "array", "minItems": 1, "items": { "type": "integer", "minimum": 100, "maximum": 599 } }
    ]
});

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        let wrong = format!(
            "{value} is no status; allowed: a whole number from 100 to 599, or an array of them"
        );
        let list = match value {
            toml::Value::Array(items) => items,
            one => vec![one],
        };
        let statuses: Option<Vec<u16>> = list
            .iter()
            .map(|v| {
                v.as_integer()
                    .and_then(|n| u16::try_from(n).ok())
                    .filter(|n| (100..600).contains(n))
            })
            .collect();
        statuses
            .filter(|s| !s.is_empty())
            .map(Self)
            .ok_or_else(|| D::Error::custom(wrong))
    }
}

/// One text or several, each a template.
#[derive(Debug, Default)]
pub struct Texts(pub Vec<Template>);

impl Texts {
    /// Each text with its name, in the names' order.
    pub fn each(fields: BTreeMap<String, Self>) -> impl Iterator<Item = (String, Template)> {
        let each = |(name, texts): (String, Self)| {
            let texts = texts.0.into_iter();
            texts.map(move |text| (name.clone(), text))
        };
        fields.into_iter().flat_map(each)
    }
}

shape!(Texts, "Texts", {
    "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
});

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = match toml::Value::deserialize(deserializer)? {
            toml::Value::Array(items) => items,
            one => vec![one],
        };
        let template = |item: &toml::Value| {
            let text = item.as_str().ok_or_else(|| {
                format!("{item} is no text; allowed: a text in quotes, or an array of texts")
            })?;
            Template::text(text)
        };
        list.iter()
            .map(template)
            .collect::<Result<_, _>>()
            .map(Self)
            .map_err(D::Error::custom)
    }
}

/// A step's pause: chosen by a distribution, or a template that renders to a duration.
#[derive(Debug)]
pub enum ThinkFile {
    Distribution(ThinkTime),
    Template(Template),
}

impl JsonSchema for ThinkFile {
    fn schema_name() -> Cow<'static, str> {
        "Think".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let chosen = generator.subschema_for::<ThinkTime>();
        let rendered = generator.subschema_for::<Template>();
        json_schema!({ "anyOf": [chosen, rendered] })
    }
}

impl<'de> Deserialize<'de> for ThinkFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        match value.as_str().filter(|text| text.contains("{{")) {
            Some(text) => Template::text(text)
                .map(Self::Template)
                .map_err(D::Error::custom),
            None => ThinkTime::from_toml(value)
                .map(Self::Distribution)
                .map_err(D::Error::custom),
        }
    }
}
