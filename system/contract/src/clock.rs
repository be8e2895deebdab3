//! The wall clock, in the unit that events use: microseconds since the Unix epoch.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch; 0 if the clock is set before it.
#[must_use]
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    })
}

/// The time until the next tick of a clock that ticks once in `every`: what many loops leave for their next tick, they do at the same moment, so
/// that it shares round trips. Zero if `every` is.
#[must_use]
pub fn until_tick(every: Duration) -> Duration {
    let every_us = u64::try_from(every.as_micros()).unwrap_or(u64::MAX);
    if every_us == 0 {
        return Duration::ZERO;
    }
    Duration::from_micros(every_us - now_us() % every_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_comes_within_its_interval() {
        let every = Duration::from_millis(10);
        let wait = until_tick(every);
        assert!(!wait.is_zero() && wait <= every, "{wait:?}");
        assert_eq!(until_tick(Duration::ZERO), Duration::ZERO);
    }
}
