//! How long messages of a peer were on their way. The peer says when it sent each, by its own clock; the quickest one so far counts as having
//! taken no time, so that neither clock must be right. Knows no messages.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The header with which a server tells its clock when a stream begins.
pub(super) const NOW_HEADER: &str = "ordershop-now-ms";

/// This process's clock, ms; never 0, and it only goes forward.
pub(super) fn now_ms() -> u64 {
    1 + u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
}

/// A peer's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PeerClock {
    /// Our clock less the peer's at the arrival of the quickest message, ms.
    offset_ms: Option<i64>,
}

impl PeerClock {
    /// Takes note that something which the peer sent at `sent_ms` arrives at `now_ms`; returns how long it was on its way. 0 is no time.
    pub(super) fn arrived(&mut self, sent_ms: u64, now_ms: u64) -> Duration {
        if sent_ms == 0 {
            return Duration::ZERO;
        }
        let offset_ms = now_ms.cast_signed().saturating_sub(sent_ms.cast_signed());
        let least_ms = self
            .offset_ms
            .map_or(offset_ms, |least| least.min(offset_ms));
        self.offset_ms = Some(least_ms);
        Duration::from_millis(offset_ms.saturating_sub(least_ms).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_longer_than_the_quickest_was_that_much_longer_on_its_way() {
        let mut clock = PeerClock::default();
        let ages: Vec<u128> = [
            (500, 10_020),
            (600, 10_110),
            (700, 15_210),
            (0, 20_000),
            (800, 10_310),
        ]
        .into_iter()
        .map(|(sent, now)| clock.arrived(sent, now).as_millis())
        .collect();
        assert_eq!(ages, [0, 0, 5_000, 0, 0]);
        assert_eq!(clock.arrived(900, 11_410).as_millis(), 1_000);
    }
}
