//! A distribution of times, as a histogram. Memory does not grow with the number of times.

use std::io::Cursor;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as Decoder, Serializer as _, V2Serializer};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Three significant digits: a figure is at most 0.1 % above what was measured.
const SIGNIFICANT_DIGITS: u8 = 3;
/// The longest time that is recorded: an hour. Longer ones are recorded as this one.
const TIME_US_MAX: u64 = 3_600_000_000;
/// A distribution of times in microseconds.
#[derive(Debug, Clone)]
pub struct Times(pub Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        Self(
            Histogram::new(SIGNIFICANT_DIGITS)
                .expect("3 digits are within what a histogram can do"),
        )
    }
}

impl Times {
    /// Records one time, rounded to the nearest microsecond.
    pub fn record(&mut self, time: Duration) {
        let micros = match time.as_secs() {
            seconds if seconds < TIME_US_MAX / 1_000_000 => {
                seconds * 1_000_000 + u64::from((time.subsec_nanos() + 500) / 1_000)
            }
            _ => TIME_US_MAX,
        };
        // Not `saturating_record`: it cuts values at the current size instead of growing.
        self.0
            .record(micros)
            .expect("a resizing histogram takes every value");
    }

    /// An empty distribution with room for the same values.
    pub(super) fn emptied(&self) -> Self {
        Self(Histogram::new_from(&self.0))
    }

    /// Adds another distribution.
    pub fn add(&mut self, other: &Self) {
        self.0
            .add(&other.0)
            .expect("a resizing histogram takes every value");
    }
}

/// As the histogram's own encoding, which keeps every count; an empty one is an empty text.
impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        if !self.0.is_empty() {
            let encoded = V2Serializer::new().serialize(&self.0, &mut bytes);
            encoded.map_err(|e| S::Error::custom(format!("a histogram: {e:?}")))?;
        }
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut times = Self::default();
        if text.is_empty() {
            return Ok(times);
        }
        let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
        let decoded = Decoder::new().deserialize(&mut Cursor::new(bytes));
        let decoded = decoded.map_err(|e| D::Error::custom(format!("a histogram: {e:?}")))?;
        // Added to one that grows: a decoded one has the size that it was encoded with.
        let added = times.0.add(decoded);
        added.map_err(|e| D::Error::custom(format!("a histogram: {e:?}")))?;
        Ok(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_that_was_written_and_read_is_the_same_and_still_grows() {
        let mut times = Times::default();
        for us in [0, 1, 999, 1_000_001, 3_599_000_000] {
            times.record(Duration::from_micros(us));
        }
        for of in [Times::default(), times.clone()] {
            let text = serde_json::to_string(&of).unwrap();
            let mut read: Times = serde_json::from_str(&text).unwrap();
            assert_eq!(read.0, of.0, "{text}");
            read.add(&times);
            assert_eq!(read.0.len(), of.0.len() + 5);
        }
        assert!(serde_json::from_str::<Times>("\"AAAA\"").is_err());
    }
}
