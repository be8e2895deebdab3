//! Converts recorded time to replayed time: divides it by one factor.

use std::time::Duration;

use super::error::TraceError;

/// How many times faster than recorded: 1 = as recorded, 7200 = two recorded hours a second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Speed(f64);

/// The slowest speed: a thousand times slower than recorded.
const SPEED_MIN: f64 = 1e-3;
/// The fastest speed: thirty years a second. Beyond it, everything would be sent at once.
const SPEED_MAX: f64 = 1e9;

impl Speed {
    /// Takes a factor from 0.001 to 10^9.
    ///
    /// # Errors
    /// [`TraceError::Speed`] for any other number, NaN included.
    pub fn new(factor: f64) -> Result<Self, TraceError> {
        if (SPEED_MIN..=SPEED_MAX).contains(&factor) {
            Ok(Self(factor))
        } else {
            Err(TraceError::Speed(factor))
        }
    }

    /// The factor.
    pub fn factor(self) -> f64 {
        self.0
    }

    /// Scales a span of recorded time (at most about 10,000 years) to the replay's time.
    pub fn scale(self, recorded: Duration) -> Duration {
        recorded.div_f64(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_divides_recorded_time() {
        let cases = [(7200.0, 7200, 1_000), (1.0, 5, 5_000), (0.5, 1, 2_000)];

        for (factor, recorded_s, expected_ms) in cases {
            let speed = Speed::new(factor).expect("a usable factor");
            let scaled = speed.scale(Duration::from_secs(recorded_s));
            assert_eq!(scaled, Duration::from_millis(expected_ms), "{factor}");
        }
    }

    #[test]
    fn a_speed_that_is_no_factor_is_refused() {
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-4, 1e10] {
            assert!(Speed::new(factor).is_err(), "{factor}");
        }
    }
}
