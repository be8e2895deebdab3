//! Trying again: how long to wait before the next try (doubling, bounded, jittered), and for how long to try at all.
//! Knows nothing of what is tried.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisResult, ServerErrorKind};

const FIRST_MS: u64 = 20;
const LAST_MS: u64 = 1_000;

/// The waits of one series of tries.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next wait: half to all of 20, 40, 80 … 1,000 ms.
    pub fn next_wait(&mut self) -> Duration {
        let full = (FIRST_MS << self.tries.min(10)).min(LAST_MS);
        self.tries += 1;
        Duration::from_millis(full / 2 + random() % (full / 2 + 1))
    }

    /// It worked.
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    /// Nothing has failed since the last success.
    pub fn is_fresh(&self) -> bool {
        self.tries == 0
    }
}

/// Tries what may be repeated until it works, for at most `limit` (then the last error), over broken connections and a server that
/// is starting. What the server understood and refused is not tried again.
pub(super) async fn retrying<T, F: Future<Output = RedisResult<T>>>(
    limit: Duration,
    call: impl Fn() -> F,
) -> RedisResult<T> {
    let give_up = Instant::now() + limit;
    let mut backoff = Backoff::default();
    loop {
        let error = match call().await {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        let hopeless = matches!(
            error.kind(),
            ErrorKind::UnexpectedReturnType | ErrorKind::Server(ServerErrorKind::ResponseError)
        );
        if hopeless || Instant::now() >= give_up {
            return Err(error);
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

/// `wait`, less up to a quarter, so that those who stand by don't all ask at once.
pub(super) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(1.0 - (random() % 256) as f64 / 1024.0)
}

/// The standard library seeds every hasher at random, which is random enough for a jitter.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_second_and_no_further() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..40).map(|_| backoff.next_wait().as_millis()).collect();
        assert!((10..=20).contains(&waits[0]), "{waits:?}");
        assert!(
            waits[10..].iter().all(|ms| (500..=1_000).contains(ms)),
            "{waits:?}"
        );
    }
}
