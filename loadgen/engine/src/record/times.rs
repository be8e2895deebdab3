//! A distribution of times, as a histogram. Memory does not grow with the number of times.

use std::time::Duration;

use hdrhistogram::Histogram;

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
