//! TOML values as JSON: a date or time becomes the text that TOML writes; a number that JSON can't hold is refused.

use serde_json::{Number, Value};

/// The JSON of a TOML value.
///
/// # Errors
/// The value holds `nan` or `inf`.
pub(crate) fn json(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => Number::from_f64(number).map(Value::Number).ok_or_else(|| {
            format!("`{number}` is no number in JSON; allowed: a finite number, or a text such as \"{number}\"")
        })?,
        toml::Value::Boolean(it) => it.into(),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => items.into_iter().map(json).collect::<Result<_, _>>()?,
        toml::Value::Table(table) => Value::Object(object(table)?),
    })
}

/// The JSON of a TOML table.
///
/// # Errors
/// As [`json`].
pub(crate) fn object(table: toml::Table) -> Result<serde_json::Map<String, Value>, String> {
    table
        .into_iter()
        .map(|(name, value)| Ok((name, json(value)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_text_and_what_json_has_no_number_for_is_refused() {
        let table: toml::Table = "day = 2024-05-17\nat = 2024-05-17T10:00:00Z\nlocal = 2024-05-17T10:00:00.5\nnoon = 12:00:00\ndeep = [{ day = 2024-02-29 }]\nn = 1\nx = 1.5"
            .parse()
            .unwrap();
        assert_eq!(
            Value::Object(object(table).unwrap()),
            serde_json::json!({
                "day": "2024-05-17", "at": "2024-05-17T10:00:00Z", "local": "2024-05-17T10:00:00.5",
                "noon": "12:00:00", "deep": [{ "day": "2024-02-29" }], "n": 1, "x": 1.5
            })
        );
        for wrong in ["nan", "inf", "-inf", "[1.0, { x = nan }]"] {
            let table: toml::Table = format!("x = {wrong}").parse().unwrap();
            let refused = object(table).unwrap_err();
            assert!(refused.contains("allowed"), "{wrong}: {refused}");
        }
    }
}
