//! Durations as a person writes them in a mapping: `30m`, `1h30m`, `90s`, `500ms`, `2d`.

use std::time::Duration;

use serde::Deserialize;

/// A length of recorded time (not yet divided by the replay's speed).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RecordedDuration(pub Duration);

/// Ten years: beyond it a duration is a slip of the keyboard.
const DURATION_MS_MAX: u64 = 3_653 * 86_400_000;

impl TryFrom<String> for RecordedDuration {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse(&text).ok_or_else(|| {
            format!(
                "`{text}` is no duration: write whole numbers with ms, s, m, h or d, such as `30m` or `1h30m`, \
                 up to ten years"
            )
        })
    }
}

fn parse(text: &str) -> Option<RecordedDuration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total_ms: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        let part_ms = number.parse::<u64>().ok()?.checked_mul(unit_ms)?;
        total_ms = total_ms.checked_add(part_ms)?;
        rest = tail;
    }
    (total_ms <= DURATION_MS_MAX).then(|| RecordedDuration(Duration::from_millis(total_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let cases = [
            ("30m", Some(1_800_000)),
            ("1h30m", Some(5_400_000)),
            ("90s", Some(90_000)),
            ("500ms", Some(500)),
            ("2d", Some(172_800_000)),
            ("0s", Some(0)),
            ("", None),
            ("30", None),
            ("m", None),
            ("-5m", None),
            ("1.5h", None),
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
