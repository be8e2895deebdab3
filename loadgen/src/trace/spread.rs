//! Spreads invoices with the same recorded time over what that time leaves open (its minute), because an export
//! without seconds would otherwise place them all in one burst that never happened. The seed sets the times; the file's
//! order stays, so that a cancellation never overtakes the order it follows in the same minute.

use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::time::RecordedTime;

/// The spread time, in µs since 1970, of each recorded time. `times` must be in order; `window` replaces what each
/// time leaves open. Each result is in `[time, time + window)`, and results of equal times are in order.
pub(super) fn spread_us(times: &[RecordedTime], window: Option<Duration>, seed: u64) -> Vec<i64> {
    // A named, portable generator: the same seed gives the same plan with every version of the crates.
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut spread = Vec::with_capacity(times.len());
    for equal in times.chunk_by(|a, b| a.unix_us == b.unix_us) {
        let first = spread.len();
        for time in equal {
            let width = window.unwrap_or(time.open);
            let width_us = i64::try_from(width.as_micros()).unwrap_or(i64::MAX);
            let offset_us = if width_us == 0 {
                0
            } else {
                random.random_range(0..width_us)
            };
            spread.push(time.unix_us.saturating_add(offset_us));
        }
        spread[first..].sort_unstable();
    }
    spread
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn minutes(minutes: &[i64]) -> Vec<RecordedTime> {
        let time = |m: &i64| RecordedTime {
            unix_us: m * 60_000_000,
            open: MINUTE,
        };
        minutes.iter().map(time).collect()
    }

    #[test]
    fn every_time_stays_in_its_minute_and_in_order() {
        let times = minutes(&[0, 0, 0, 0, 1, 1, 7, 7, 7]);

        for seed in 0..200 {
            let spread = spread_us(&times, None, seed);
            assert!(spread.is_sorted(), "seed {seed}: {spread:?}");
            for (time, at) in times.iter().zip(&spread) {
                assert_eq!(at.div_euclid(60_000_000) * 60_000_000, time.unix_us);
            }
        }
    }

    #[test]
    fn the_seed_alone_decides() {
        let times = minutes(&[0, 0, 3, 9]);

        assert_eq!(spread_us(&times, None, 7), spread_us(&times, None, 7));
        assert_ne!(spread_us(&times, None, 7), spread_us(&times, None, 8));
    }

    #[test]
    fn a_window_of_nothing_keeps_the_recorded_times() {
        let times = minutes(&[0, 3]);

        let spread = spread_us(&times, Some(Duration::ZERO), 7);

        assert_eq!(spread, [0, 180_000_000]);
    }
}
