//! Places in an answer, beyond JSON pointers: regular expressions and JSON paths. Compiled when the scenario is read.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::as_written::in_doubles;

/// A regular expression; matching takes linear time.
#[derive(Debug, Clone)]
pub struct Pattern(regex_lite::Regex);

impl Pattern {
    /// Whether the text has a match.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The first group of each match, or the whole match where there is no group.
    pub fn found<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let found = self.0.captures_iter(text);
        found
            .filter_map(|groups| groups.get(1).or_else(|| groups.get(0)))
            .map(|found| found.as_str())
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        self.0.as_str()
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let compiled = regex_lite::Regex::new(&text);
        compiled.map(Self).map_err(|e| {
            serde::de::Error::custom(format!("`{text}` is not a regular expression: {e}"))
        })
    }
}

impl schemars::JsonSchema for Pattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "A regular expression, as in '/orders/(\\d+)'." })
    }
}

/// A place in JSON.
#[derive(Debug, Clone)]
pub enum JsonPlace {
    /// A JSON pointer (RFC 6901): one value.
    Pointer(String),
    /// A JSON path (RFC 9535): any number of values.
    Path(Box<serde_json_path::JsonPath>),
}

impl JsonPlace {
    /// Parses a text that begins with `/` (or is empty) as a pointer, one that begins with `$` as a path. The error says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.starts_with('/') {
            return Ok(Self::Pointer(text.to_owned()));
        }
        if !text.starts_with('$') {
            return Err(format!(
                "`{text}` is neither a JSON pointer nor a JSON path"
            ));
        }
        let path = serde_json_path::JsonPath::parse(text);
        path.map(|path| Self::Path(Box::new(path)))
            .map_err(|e| format!("`{text}` is not a JSON path: {e}"))
    }

    /// The values there, in the answer's order.
    pub fn found<'v>(&self, json: &'v Value) -> Vec<&'v Value> {
        match self {
            Self::Pointer(pointer) => json.pointer(pointer).into_iter().collect(),
            Self::Path(path) => match in_doubles(json) {
                None => path.query(json).all(),
                Some(doubles) => {
                    let found = path.query_located(&doubles);
                    let places = found.locations().map(|place| place.to_json_pointer());
                    places.filter_map(|place| json.pointer(&place)).collect()
                }
            },
        }
    }
}

impl std::fmt::Display for JsonPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pointer(pointer) => f.write_str(pointer),
            Self::Path(path) => path.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::as_written::{AsWritten, parse};

    #[test]
    fn a_path_compares_numbers_and_finds_them_as_they_are_written() {
        let answer =
            r#"{"a": [{"price": 1.10, "id": 12345678901234567890123}, {"price": 2.50, "id": 2}]}"#;
        let answer: Value = parse(answer).unwrap();
        let found = |path: &str| -> Vec<String> {
            let place = JsonPlace::parse(path).unwrap();
            let found = place.found(&answer).into_iter();
            found.map(|value| AsWritten(value).to_string()).collect()
        };
        assert_eq!(found("$.a[?@.price < 2].id"), ["12345678901234567890123"]);
        assert_eq!(found("$..price"), ["1.10", "2.50"]);
    }
}
