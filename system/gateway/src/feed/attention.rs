//! Whether a client of the feed is still there: it must answer pings, but only after it has had the time to read what was sent before them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A client that reads more slowly than this, bytes a second, may be taken for one that is gone.
const READ_RATE_MIN: u64 = 16 << 10;

/// What is known of a client's attention.
pub(super) struct Attention {
    silence_max: Duration,
    known: Mutex<Known>,
}

struct Known {
    /// When the client was heard, or the first ping after that was sent.
    since: Instant,
    /// Whether a ping waits for its pong.
    asked: bool,
    /// Bytes sent since the client was heard; they may all lie before the ping.
    sent_bytes: u64,
}

impl Attention {
    pub(super) fn new(silence_max: Duration) -> Self {
        let known = Known {
            since: Instant::now(),
            asked: false,
            sent_bytes: 0,
        };
        Self {
            silence_max,
            known: Mutex::new(known),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client sent something: it has read what was sent long enough ago.
    pub(super) fn heard(&self) {
        *self.known() = Known {
            since: Instant::now(),
            asked: false,
            sent_bytes: 0,
        };
    }

    /// Something was sent to the client.
    pub(super) fn sent(&self, bytes: usize) {
        let mut known = self.known();
        known.sent_bytes = known.sent_bytes.saturating_add(bytes as u64);
    }

    /// A ping was sent to the client.
    pub(super) fn asked(&self) {
        let mut known = self.known();
        if !known.asked {
            known.asked = true;
            known.since = Instant::now();
        }
    }

    /// When the client counts as gone, if nothing is heard of it until then.
    fn due(&self) -> Instant {
        let known = self.known();
        if !known.asked {
            return Instant::now() + self.silence_max;
        }
        let reading = Duration::from_millis(known.sent_bytes.saturating_mul(1000) / READ_RATE_MIN);
        known.since + self.silence_max + reading
    }

    /// Ends when the client counts as gone.
    pub(super) async fn lost(&self) {
        while self.due() > Instant::now() {
            tokio::time::sleep_until(self.due()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_millis(20);

    async fn lost_within(attention: &Attention, limit: Duration) -> bool {
        tokio::time::timeout(limit, attention.lost()).await.is_ok()
    }

    #[tokio::test]
    async fn a_client_is_lost_only_after_a_ping_and_the_time_to_read_what_lies_before_it() {
        let attention = Attention::new(SILENCE);
        assert!(
            !lost_within(&attention, SILENCE * 5).await,
            "without a ping"
        );
        attention.sent(1 << 30);
        attention.asked();
        assert!(
            !lost_within(&attention, SILENCE * 5).await,
            "while it reads"
        );
        attention.heard();
        attention.asked();
        assert!(lost_within(&attention, SILENCE * 1000).await);
    }
}
