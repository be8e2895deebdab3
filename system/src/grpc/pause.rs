//! How long a client waits before it tries a peer again. Knows failures in a row, not their reasons.

use std::time::Duration;

/// The first pause; doubles with each failure.
const PAUSE_MS: u64 = 20;
/// The longest.
const PAUSE_MS_MAX: u64 = 1_000;

/// A pause that doubles, with jitter, until something works again.
#[derive(Debug, Default)]
pub(super) struct Pause {
    failures: u32,
}

impl Pause {
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    pub(super) async fn wait(&mut self) {
        let ms = (PAUSE_MS << self.failures.min(6)).min(PAUSE_MS_MAX);
        self.failures += 1;
        // The low bits of a fresh v7 id are random: enough to keep processes from coming in step.
        let jitter = uuid::Uuid::now_v7().as_u128() as u64 % (ms / 2 + 1);
        tokio::time::sleep(Duration::from_millis(ms / 2 + jitter)).await;
    }
}
