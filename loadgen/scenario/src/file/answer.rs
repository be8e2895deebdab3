//! The keys of what is extracted from answers and checked in them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::pattern::Pattern;
use crate::template::Template;

/// Where a variable's value is found: a JSON pointer or path as text, or a table.
#[derive(Debug)]
pub struct ExtractFile(pub ExtractTable);

/// Where a variable's value is found: `json`, `header`, `regex`, or a `regex` in a `header`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtractTable {
    /// A JSON pointer (`/items/0/id`) or a JSON path (`$.items[*].id`).
    pub json: Option<String>,
    /// A header's name.
    pub header: Option<String>,
    /// A regular expression: its first group, or the whole match where it has none.
    pub regex: Option<Pattern>,
    /// Whether the variable gets a list of all that is found (false: the first).
    #[serde(default)]
    pub all: bool,
    /// The value if nothing is found; without one that is an error.
    #[schemars(with = "Option<serde_json::Value>")]
    pub default: Option<toml::Value>,
}

impl<'de> Deserialize<'de> for ExtractFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(place) => Ok(Self(ExtractTable {
                json: Some(place),
                ..ExtractTable::default()
            })),
            table => table.try_into().map(Self).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for ExtractFile {
    fn schema_name() -> Cow<'static, str> {
        "Extract".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<ExtractTable>();
        json_schema!({ "anyOf": [{ "type": "string", "pattern": "^(/|\\$|$)" }, table] })
    }
}

/// What a header must be: a text that it equals, `true` (there), `false` (not there), or a table.
#[derive(Debug)]
pub enum HeaderCheckFile {
    Present(bool),
    Equal(Template),
    Contain(Template),
    Match(Pattern),
}

/// One of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HeaderCheckTable {
    /// Text that is somewhere in it.
    contain: Option<Template>,
    /// A regular expression that matches in it.
    #[serde(rename = "match")]
    pattern: Option<Pattern>,
}

impl<'de> Deserialize<'de> for HeaderCheckFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::Boolean(present) => Ok(Self::Present(present)),
            toml::Value::String(text) => Template::text(&text)
                .map(Self::Equal)
                .map_err(D::Error::custom),
            toml::Value::Table(table) => {
                let table: HeaderCheckTable = table.try_into().map_err(D::Error::custom)?;
                match (table.contain, table.pattern) {
                    (Some(text), None) => Ok(Self::Contain(text)),
                    (None, Some(pattern)) => Ok(Self::Match(pattern)),
                    _ => Err(D::Error::custom("allowed: one of `contain`, `match`")),
                }
            }
            other => Err(D::Error::custom(format!(
                "`{other}` is no check of a header; allowed: a text, true, false, {{ contain = … }}, {{ match = … }}"
            ))),
        }
    }
}

impl JsonSchema for HeaderCheckFile {
    fn schema_name() -> Cow<'static, str> {
        "HeaderCheck".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<HeaderCheckTable>();
        let equal = generator.subschema_for::<Template>();
        json_schema!({ "anyOf": [equal, { "type": "boolean" }, table] })
    }
}
