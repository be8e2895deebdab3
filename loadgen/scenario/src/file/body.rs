//! The keys of bodies and credentials.

use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::value::JsonTemplate;
use crate::template::Template;

/// A file whose contents are sent: its path, or a table.
#[derive(Debug)]
pub struct SentFile(pub SentFileTable);

/// A file whose contents are sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SentFileTable {
    /// The path, beside the scenario.
    pub path: PathBuf,
    /// Whether the file is text with {{…}} in it (false: bytes as they are).
    #[serde(default)]
    pub template: bool,
}

impl<'de> Deserialize<'de> for SentFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(path) => Ok(Self(SentFileTable {
                path: path.into(),
                template: false,
            })),
            table => table.try_into().map(Self).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for SentFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SentFile".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<SentFileTable>();
        json_schema!({ "anyOf": [{ "type": "string" }, table] })
    }
}

/// A part of a multipart body; one of `text`, `body`, `file` and `base64`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartFile {
    /// The field's name.
    pub name: Template,
    /// Text.
    pub text: Option<Template>,
    /// JSON.
    pub body: Option<JsonTemplate>,
    /// The contents of a file beside the scenario.
    pub file: Option<SentFile>,
    /// Bytes, written as base64.
    pub base64: Option<Template>,
    /// The name of the file that the part claims to be; of a `file` by default its own.
    pub filename: Option<Template>,
    /// The content type; of a `file` by default what its name's ending says.
    #[serde(rename = "type")]
    pub content_type: Option<String>,
}

/// Credentials, sent in the header `Authorization`; one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthFile {
    /// User and password.
    pub basic: Option<BasicFile>,
    /// A token.
    pub bearer: Option<Template>,
}

/// User and password.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicFile {
    /// The user's name, without a colon.
    pub user: Template,
    /// The password.
    pub password: Template,
}
