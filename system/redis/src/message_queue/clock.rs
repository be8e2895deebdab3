//! Redis's clock as this process knows it: the last time that Redis told, and how long ago it was asked. Deadlines travel in it, so that the
//! clocks of the machines don't matter, and a process that stood still sees what it missed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A time that Redis told.
#[derive(Clone, Copy, Debug)]
struct Reading {
    asked: Instant,
    ms: u64,
}

/// Redis's clock; unknown until Redis was asked for the first time.
#[derive(Debug, Default)]
pub(super) struct RedisClock(Mutex<Option<Reading>>);

impl RedisClock {
    /// Records that Redis, asked at `asked`, said that it is `ms` since the Unix epoch.
    pub(super) fn told(&self, asked: Instant, ms: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Reading { asked, ms });
    }

    fn reading(&self) -> Option<Reading> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time by Redis's clock at `instant`, ms since the Unix epoch.
    pub(super) fn ms_at(&self, instant: Instant) -> Option<u64> {
        let Reading { asked, ms } = self.reading()?;
        let since = instant.saturating_duration_since(asked);
        Some(ms + u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The instant at which Redis's clock shows `ms`.
    pub(super) fn instant_of(&self, ms: u64) -> Option<Instant> {
        let reading = self.reading()?;
        let ahead = Duration::from_millis(ms.saturating_sub(reading.ms));
        let behind = Duration::from_millis(reading.ms.saturating_sub(ms));
        // What is further back than the machine's start is long past.
        let past = reading.asked.checked_sub(behind).unwrap_or(reading.asked);
        past.checked_add(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_an_instant_and_back() {
        let clock = RedisClock::default();
        let now = Instant::now();
        assert_eq!((clock.ms_at(now), clock.instant_of(1)), (None, None));
        clock.told(now, 50_000);
        let later = now + Duration::from_millis(250);
        assert_eq!(clock.ms_at(later), Some(50_250));
        assert_eq!(clock.instant_of(50_250), Some(later));
        assert!(clock.instant_of(49_000) < Some(now));
        assert!(clock.instant_of(0) <= Some(now));
    }
}
