//! Event lag: the time from an event's publication until a consumer group has handled it. Measured where events are acknowledged, so
//! that every group is measured in the same way. Must not know what handling an event means.

use std::sync::LazyLock;

use prometheus_client::metrics::histogram::exponential_buckets;

/// The first bucket's upper bound, µs.
const FIRST_BOUND_US: f64 = 50.0;
/// The ratio of successive bounds: a percentile read from the buckets is accurate to 15 %.
const STEP: f64 = 1.15;
/// Bounds in one step of two: 1.15⁵ is 2.01.
const COARSE: usize = 5;
/// The number of bounds; the last is about a minute. One more bucket counts longer lags.
const BOUNDS: u16 = 101;

static BOUNDS_US: LazyLock<Vec<f64>> =
    LazyLock::new(|| exponential_buckets(FIRST_BOUND_US, STEP, BOUNDS).collect());

/// A histogram of event lags since the event store's start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LagHistogram {
    /// Counts by bucket; empty if nothing was observed.
    counts: Vec<u64>,
    sum_us: u64,
}

impl LagHistogram {
    /// A histogram from its parts: counts by bucket (trailing zeros may be missing), and the sum in µs.
    #[must_use]
    pub fn of(mut counts: Vec<u64>, sum_us: u64) -> Self {
        counts.truncate(BOUNDS_US.len() + 1);
        Self { counts, sum_us }
    }

    /// Adds one event's lag; both times are µs since the Unix epoch. Clocks may differ: a negative lag counts as 0.
    pub fn observe(&mut self, published_at_us: u64, handled_at_us: u64) {
        let lag_us = handled_at_us.saturating_sub(published_at_us);
        #[allow(
            clippy::cast_precision_loss,
            reason = "an event lag is far below 2^52 µs"
        )]
        let bucket = BOUNDS_US.partition_point(|bound| *bound < lag_us as f64);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.sum_us += lag_us;
    }

    /// Counts by bucket; trailing zeros may be missing.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The sum of all lags, µs.
    #[must_use]
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// Each bucket's upper bound in seconds (the last is unlimited) and count.
    #[must_use]
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds_s = BOUNDS_US.iter().map(|bound| bound / 1e6);
        let counts = self.counts.iter().copied().chain(std::iter::repeat(0));
        bounds_s
            .chain(std::iter::once(f64::MAX))
            .zip(counts)
            .collect()
    }

    /// The same in steps of two: each bucket is five of [`LagHistogram::buckets`] together.
    #[must_use]
    pub fn coarse_buckets(&self) -> Vec<(f64, u64)> {
        let fine = self.buckets();
        let (first, rest) = fine.split_at(1);
        let joined = rest.chunks(COARSE).filter_map(|five| {
            let count = five.iter().map(|(_, count)| count).sum();
            Some((five.last()?.0, count))
        });
        first.iter().copied().chain(joined).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_counted_below_the_first_bound_that_is_not_less() {
        let mut lag = LagHistogram::default();
        for (published, handled) in [(100, 100), (100, 150), (100, 151), (200, 100)] {
            lag.observe(published, handled);
        }
        lag.observe(0, 3_600_000_000);
        let buckets = lag.buckets();
        assert_eq!(buckets.len(), 102);
        assert_eq!((buckets[0].1, buckets[1].1, buckets[101].1), (3, 1, 1));
        assert_eq!(lag.sum_us(), 101 + 3_600_000_000);
        let coarse = lag.coarse_buckets();
        assert_eq!(coarse.len(), 22);
        assert_eq!((coarse[0].1, coarse[1].1, coarse[21].1), (3, 1, 1));
        assert_eq!(coarse[20].0.to_bits(), buckets[100].0.to_bits());
        assert!((coarse[1].0 / coarse[0].0 - 2.01).abs() < 0.01);
        assert!((buckets[100].0 - 58.7).abs() < 0.1, "{}", buckets[100].0);
    }
}
