//! Positions in a partition's stream of events: `1700000000000-3`, compared as two numbers.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A position: milliseconds, and a sequence number within them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeedPosition {
    millis: u64,
    sequence: u64,
}

impl FromStr for FeedPosition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a position such as 1700000000000-3");
        let (millis, sequence) = text.split_once('-').ok_or_else(wrong)?;
        Ok(Self {
            millis: millis.parse().map_err(|_| wrong())?,
            sequence: sequence.parse().map_err(|_| wrong())?,
        })
    }
}

impl<'de> Deserialize<'de> for FeedPosition {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = FeedPosition;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a position such as 1700000000000-3")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<FeedPosition, E> {
                text.parse().map_err(E::custom)
            }
        }

        json.deserialize_str(Text)
    }
}

impl fmt::Display for FeedPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.sequence)
    }
}
