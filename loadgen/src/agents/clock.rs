//! The clocks of two machines, compared by round trips: how far one is ahead of the other, and by how much that may be wrong.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

/// Where this process's own clock begins.
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// One moment on both clocks of a process, in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Moment {
    /// The monotonic clock, which nobody sets. It begins with the process.
    pub clock_us: i64,
    /// The wall clock, since the Unix epoch.
    pub wall_us: i64,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            clock_us: BEGIN.elapsed().as_micros() as i64,
            wall_us: wall.unwrap_or_default().as_micros() as i64,
        }
    }
}

/// The monotonic time of an instant.
pub fn clock_us(at: Instant) -> i64 {
    at.saturating_duration_since(*BEGIN).as_micros() as i64
}

/// The instant of a monotonic time.
pub fn instant(clock_us: i64) -> Instant {
    *BEGIN + Duration::from_micros(clock_us.max(0).cast_unsigned())
}

/// How far another machine's clocks are ahead of this one's, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// The monotonic clock: of no meaning by itself, as both begin somewhere.
    pub clock_us: i64,
    /// The wall clock.
    pub wall_us: i64,
    /// By how much both may be wrong: half the round trip, in which the answer may have been given at any time.
    pub error_us: u64,
}

impl Ahead {
    /// By one round trip.
    pub fn between(sent: Moment, told: Moment, received: Moment) -> Self {
        let half = (received.clock_us - sent.clock_us) / 2;
        Self {
            clock_us: told.clock_us - (sent.clock_us + half),
            wall_us: told.wall_us - (sent.wall_us + half),
            error_us: half.max(0).cast_unsigned(),
        }
    }

    /// The better one of two: that of the shorter round trip.
    pub fn better(self, other: Self) -> Self {
        match other.error_us < self.error_us {
            true => other,
            false => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_as_given_in_the_middle_of_its_round_trip_and_the_shortest_one_counts() {
        let moment = |clock_us, wall_us| Moment { clock_us, wall_us };
        let slow = Ahead::between(moment(1_000, 50), moment(9_300, 550), moment(1_400, 450));
        assert_eq!(
            (slow.clock_us, slow.wall_us, slow.error_us),
            (8_100, 300, 200)
        );
        let fast = Ahead::between(moment(2_000, 0), moment(10_010, 210), moment(2_020, 20));
        assert_eq!(
            (fast.clock_us, fast.wall_us, fast.error_us),
            (8_000, 200, 10)
        );
        assert_eq!(slow.better(fast), fast);
        assert_eq!(fast.better(slow), fast);
    }

    #[test]
    fn an_instant_told_as_a_time_comes_back() {
        let at = Instant::now() + Duration::from_millis(1_234);
        let back = instant(clock_us(at));
        assert!(at.saturating_duration_since(back) < Duration::from_micros(2));
        assert!(back <= at);
    }
}
