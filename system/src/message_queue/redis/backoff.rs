//! How long to wait before a broken connection is opened again: doubling, with jitter, so that many clients do not return at once.

use std::time::Duration;

use super::config::QueueConfig;

/// The delays after failures in a row.
#[derive(Debug)]
pub(super) struct Backoff {
    next_ms: u64,
    first_ms: u64,
    max_ms: u64,
}

impl Backoff {
    pub(super) fn new(config: &QueueConfig) -> Self {
        Self {
            next_ms: config.reconnect_ms,
            first_ms: config.reconnect_ms,
            max_ms: config.reconnect_ms_max,
        }
    }

    /// It worked: the next failure starts anew.
    pub(super) fn reset(&mut self) {
        self.next_ms = self.first_ms;
    }

    /// Between half of the present delay and all of it; the next one is twice as long.
    pub(super) fn next_delay(&mut self) -> Duration {
        let whole_us = self.next_ms.max(1) * 1_000;
        self.next_ms = (self.next_ms * 2).min(self.max_ms);
        // The low half of a fresh UUID is random, and saves a random number generator.
        let random =
            u64::try_from(uuid::Uuid::now_v7().as_u128() & u128::from(u32::MAX)).unwrap_or(0);
        Duration::from_micros(whole_us / 2 + random % (whole_us / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_limit_and_start_anew() {
        let mut backoff = Backoff::new(&QueueConfig::default());
        for whole_ms in [20, 40, 80, 160, 320, 640, 1_000, 1_000] {
            let delay = backoff.next_delay();
            let whole = Duration::from_millis(whole_ms);
            assert!(
                delay >= whole / 2 && delay < whole,
                "{delay:?} of {whole:?}"
            );
        }
        backoff.reset();
        assert!(backoff.next_delay() < Duration::from_millis(20));
    }
}
