//! JSON that a [`Value`] can't hold without changing it: numbers that would be written in another way (`12345678901234567890123`, `1.10`,
//! `1e400`), and what is nested deeper than the parser goes. Such a part is kept as its text, in an object of one field. Must not know where
//! the JSON comes from.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Error, Number, Value};

/// The field of an object that stands for a part kept as text.
const KEPT: &str = "$loadgen::as_written";
/// Arrays and objects within each other that are read as values. The parser's own limit is 127, and a part kept adds one.
const DEPTH_MAX: usize = 120;
/// Whole numbers of so many characters fit into 64 bits.
const SMALL_BYTES: usize = 18;

/// Parses JSON and keeps as text what would change. The error is that of the JSON as it came.
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    match keeping(json) {
        Cow::Borrowed(json) => serde_json::from_str(json),
        Cow::Owned(kept) => {
            // Nothing else looks into the parts that are kept.
            serde_json::from_str::<IgnoredAny>(json)?;
            serde_json::from_str(&kept)
        }
    }
}

/// The JSON with the parts that are kept as objects.
fn keeping(json: &str) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    let mut out = String::new();
    let (mut taken, mut at, mut depth) = (0, 0, 0_usize);
    while at < bytes.len() {
        let end = match bytes[at] {
            b'"' => text_end(bytes, at),
            b'[' | b'{' if depth == DEPTH_MAX => nested_end(bytes, at),
            b'-' | b'0'..=b'9' => number_end(bytes, at),
            byte => {
                match byte {
                    b'[' | b'{' => depth += 1,
                    b']' | b'}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                at += 1;
                continue;
            }
        };
        let part = &json[at..end];
        if !part.starts_with('"') && !survives(part) {
            out.push_str(&json[taken..at]);
            let text = Value::from(part);
            out.push_str(&format!("{{\"{KEPT}\":{text}}}"));
            taken = end;
        }
        at = end;
    }
    match taken {
        0 => json.into(),
        _ => {
            out.push_str(&json[taken..]);
            out.into()
        }
    }
}

/// Whether this number is written as it was read. Other parts never are.
fn survives(part: &str) -> bool {
    let digits = part.strip_prefix('-').unwrap_or(part);
    let is_small = digits.len() <= SMALL_BYTES && digits.bytes().all(|b| b.is_ascii_digit());
    if is_small && part != "-0" {
        return true;
    }
    let number = serde_json::from_str::<Number>(part);
    number.is_ok_and(|number| number.to_string() == part)
}

fn text_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn number_end(bytes: &[u8], start: usize) -> usize {
    let is_part = |b: &u8| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let length = bytes[start..].iter().take_while(|b| is_part(b)).count();
    start + length
}

fn nested_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = text_end(bytes, at);
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

/// The text of a part that was kept.
pub(crate) fn kept(value: &Value) -> Option<&str> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    fields.get(KEPT)?.as_str()
}

/// The text of a number, however it is held.
pub(crate) fn number_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Number(number) => Some(number.to_string().into()),
        _ => kept(value)
            .filter(|text| text.starts_with(|c: char| c == '-' || c.is_ascii_digit()))
            .map(Cow::Borrowed),
    }
}

/// The nearest double to a number, if there is one.
pub(crate) fn as_f64(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| {
        let number = number_text(value)?.parse::<f64>().ok();
        number.filter(|number| number.is_finite())
    })
}

/// The value with doubles for the numbers that were kept, for whoever compares them; `None` if nothing in it was kept.
pub(crate) fn in_doubles(value: &Value) -> Option<Value> {
    fn has_kept(value: &Value) -> bool {
        match value {
            Value::Array(items) => items.iter().any(has_kept),
            Value::Object(fields) => kept(value).is_some() || fields.values().any(has_kept),
            _ => false,
        }
    }
    fn replace(value: &mut Value) {
        if kept(value).is_some() {
            *value = as_f64(value).into();
            return;
        }
        match value {
            Value::Array(items) => items.iter_mut().for_each(replace),
            Value::Object(fields) => fields.values_mut().for_each(replace),
            _ => {}
        }
    }
    has_kept(value).then(|| {
        let mut value = value.clone();
        replace(&mut value);
        value
    })
}

/// Writes a value as JSON, with the parts that were kept as they were written.
pub struct AsWritten<'v>(pub &'v Value);

impl fmt::Display for AsWritten<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Array(_) | Value::Object(_) => {
                f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
            }
            simple => simple.fmt(f),
        }
    }
}

impl Serialize for AsWritten<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => to.collect_seq(items.iter().map(AsWritten)),
            Value::Object(fields) => {
                // A target may send such an object itself: only JSON is written without quotes.
                let raw = kept(self.0).map(serde_json::from_str::<&RawValue>);
                match raw {
                    Some(Ok(raw)) => raw.serialize(to),
                    _ => to.collect_map(fields.iter().map(|(name, v)| (name, AsWritten(v)))),
                }
            }
            simple => simple.serialize(to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: &str) -> String {
        AsWritten(&parse(json).unwrap()).to_string()
    }

    #[test]
    fn json_is_written_as_it_was_read() {
        let deep = format!("{}1.10{}", "[".repeat(1_000), "]".repeat(1_000));
        let texts = [
            "12345678901234567890123",
            "18446744073709551616",
            "9223372036854775807",
            "-9223372036854775809",
            "1.10",
            "1.5",
            "1e5",
            "1E2",
            "-0",
            "-0.0",
            "1e400",
            "0.30000000000000004",
            r#"{"a":[1.10,{"b":"1.10 \\\" 1e5"}],"c":-0}"#,
            r#"["[1.10",null,true]"#,
        ];
        for text in texts.into_iter().chain([
            deep.as_str(),
            &format!("{{\"a\":{deep},\"b\":[\"]\",{deep}]}}"),
        ]) {
            assert_eq!(written(text), text);
        }
    }

    #[test]
    fn what_is_no_json_is_refused_also_in_a_part_that_is_kept() {
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(200), "]".repeat(200));
        for wrong in [
            "", "1.", "01", "-", "1.10.1", "[1e400", "[1e400]]", "1e", "--1",
        ] {
            assert!(parse::<Value>(wrong).is_err(), "{wrong}");
        }
        for inner in ["{1}", "}", "\"", "1 2"] {
            assert!(parse::<Value>(&deep(inner)).is_err(), "{inner}");
        }
        assert!(parse::<Value>(&"[".repeat(200)).is_err());
    }

    #[test]
    fn a_number_that_is_kept_is_still_a_number() {
        let value: Value = parse(r#"{"price": 1.10, "far": 1e400, "list": [1.5]}"#).unwrap();
        assert_eq!(as_f64(&value["price"]), Some(1.1));
        assert_eq!(as_f64(&value["far"]), None);
        let doubles = serde_json::json!({"price": 1.1, "far": null, "list": [1.5]});
        assert_eq!(in_doubles(&value), Some(doubles));
        assert_eq!(in_doubles(&serde_json::json!({"a": [1]})), None);
    }

    #[test]
    fn an_object_that_only_looks_like_a_kept_part_stays_json() {
        let forged = format!("{{\"{KEPT}\":\"1,\\\"admin\\\":true\"}}");
        assert_eq!(written(&forged), forged);
    }
}
