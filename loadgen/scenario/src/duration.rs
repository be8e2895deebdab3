//! Durations as people write them in a scenario or on a command line: `200ms`, `30s`, `1.5s`, `1h30m`, `2d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

/// A duration read from text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HumanDuration(pub Duration);

impl HumanDuration {
    /// The longest duration: ten years. Longer ones are typing errors, and sums of allowed ones never overflow.
    pub const MAX: Duration = Duration::from_secs(3_653 * 86_400);
}

impl FromStr for HumanDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| {
            format!(
                "`{text}` is not a duration; allowed: numbers with units (us, ms, s, m, h, d) up to ten years, as in `200ms`, `30m` or `1h30m`"
            )
        })
    }
}

fn parse(text: &str) -> Option<HumanDuration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let seconds_max = HumanDuration::MAX.as_secs_f64();
    let mut total_s = 0.0;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| c.is_alphabetic())?);
        let (unit, tail) = tail.split_at(
            tail.find(|c: char| !c.is_alphabetic())
                .unwrap_or(tail.len()),
        );
        let unit_s = match unit {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        let number: f64 = number.trim().parse().ok()?;
        // Each part is checked by itself: a negative one must not hide in the sum.
        if !(0.0..=seconds_max).contains(&(number * unit_s)) {
            return None;
        }
        total_s += number * unit_s;
        rest = tail;
    }
    (total_s <= seconds_max).then(|| HumanDuration(Duration::from_secs_f64(total_s)))
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Reads a duration's text, and says what it is like where something else stands in its place.
struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = HumanDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration in quotes, as in \"200ms\", \"30s\" or \"1h30m\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HumanDuration, E> {
        text.parse().map_err(E::custom)
    }
}

impl schemars::JsonSchema for HumanDuration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^\\s*([0-9.]+\\s*(us|ms|s|m|min|h|d)\\s*)+$",
            "description": "Numbers with units (us, ms, s, m, h, d), as in 200ms or 1h30m."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let cases = [
            ("30m", Some(1_800_000)),
            ("1h30m", Some(5_400_000)),
            ("1m -5s", None),
            ("90s", Some(90_000)),
            ("1.5s", Some(1_500)),
            ("2min", Some(120_000)),
            ("500 ms", Some(500)),
            ("2000us", Some(2)),
            ("2d", Some(172_800_000)),
            ("0s", Some(0)),
            ("", None),
            ("30", None),
            ("1h30", None),
            ("m", None),
            ("-5m", None),
            ("3 weeks", None),
            ("4000d", None),
            ("99999999999999999999s", None),
        ];

        for (text, expected_ms) in cases {
            let parsed = parse(text).map(|d| d.0.as_millis());
            assert_eq!(parsed, expected_ms, "{text:?}");
        }
    }
}
