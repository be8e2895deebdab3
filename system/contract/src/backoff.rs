//! Waits before retries: doubling, bounded, and jittered, so that clients that failed together do not retry together. Must not know
//! what failed.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

const FIRST_MS: u64 = 20;
const LAST_MS: u64 = 1_000;

/// The waits of one series of retries.
#[derive(Debug)]
pub struct Backoff {
    first_ms: u64,
    last_ms: u64,
    failures: u32,
}

impl Default for Backoff {
    /// Waits from 20 ms to 1 s.
    fn default() -> Self {
        Self::between(FIRST_MS, LAST_MS)
    }
}

impl Backoff {
    /// Waits that double from `first_ms` up to `last_ms`.
    pub const fn between(first_ms: u64, last_ms: u64) -> Self {
        Self {
            first_ms,
            last_ms,
            failures: 0,
        }
    }

    /// Starts over after a success: the next wait is short again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Whether nothing has failed since the last success.
    pub fn is_fresh(&self) -> bool {
        self.failures == 0
    }

    /// The next wait: a random time from half of the current step to all of it; the step then doubles.
    pub fn next_wait(&mut self) -> Duration {
        let doubled = self.first_ms.saturating_mul(1 << self.failures.min(20));
        let step_us = doubled.min(self.last_ms).max(1) * 1_000;
        self.failures = self.failures.saturating_add(1);
        Duration::from_micros(step_us / 2 + random() % (step_us / 2 + 1))
    }

    /// Waits for the next wait.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next_wait()).await;
    }

    /// Waits for the next wait, or until `stop` is cancelled.
    pub async fn wait_unless(&mut self, stop: &CancellationToken) {
        stop.run_until_cancelled(self.wait()).await;
    }
}

/// `wait` minus up to a quarter at random, so that standby members don't all try at once.
pub fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(1.0 - (random() % 256) as f64 / 1024.0)
}

/// A random number: the standard library seeds every hasher randomly, which suffices for a jitter.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_start_anew() {
        let mut backoff = Backoff::default();
        for step_ms in [20, 40, 80, 160, 320, 640, 1_000, 1_000] {
            let (wait, step) = (backoff.next_wait(), Duration::from_millis(step_ms));
            assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
        }
        assert!(!backoff.is_fresh());
        backoff.reset();
        assert!(backoff.is_fresh() && backoff.next_wait() <= Duration::from_millis(20));
    }

    #[test]
    fn waits_stay_bounded_however_often_it_fails() {
        let mut backoff = Backoff::between(1, 5);
        let longest = (0..100_000).map(|_| backoff.next_wait()).max();
        assert!(longest <= Some(Duration::from_millis(5)), "{longest:?}");
    }

    #[test]
    fn a_jitter_takes_at_most_a_quarter() {
        let wait = Duration::from_millis(100);
        for _ in 0..1_000 {
            let jittered = jittered(wait);
            assert!(jittered <= wait && jittered >= wait * 3 / 4, "{jittered:?}");
        }
    }
}
