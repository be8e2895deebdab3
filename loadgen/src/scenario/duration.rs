//! Durations as people write them in a scenario or on a command line: `200ms`, `30s`, `2m`, `1h`, `1.5s`.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A duration read from text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HumanDuration(pub Duration);

impl FromStr for HumanDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a duration; allowed: a number and a unit (us, ms, s, m, h), as in `200ms` or `30s`"
            )
        };
        let text = text.trim();
        let unit_start = text.find(|c: char| c.is_alphabetic()).ok_or_else(wrong)?;
        let number: f64 = text[..unit_start].trim().parse().map_err(|_| wrong())?;
        let seconds = match &text[unit_start..] {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        // A run of more than a year is a typo, and keeps every later sum within its type.
        let total = number * seconds;
        if !(0.0..=366.0 * 86_400.0).contains(&total) {
            return Err(wrong());
        }
        Ok(Self(Duration::from_secs_f64(total)))
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
