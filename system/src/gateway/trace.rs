//! Ids that join what belongs together: the request's correlation id and the ids of messages. Knows no message and no event.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::HeaderMap;
use uuid::Uuid;

/// Makes ids that are unique among all gateways.
pub(super) struct Ids {
    seed: u64,
    next: AtomicU64,
}

impl Ids {
    pub(super) fn new() -> Self {
        // The lower half of a version 7 UUID has 62 random bits.
        let seed = Uuid::now_v7().as_u64_pair().1;
        Self {
            seed,
            next: AtomicU64::new(1),
        }
    }

    /// A command's message id, from which the ids of the entities are made that it creates: ordered by time.
    pub(super) fn command_id(&self) -> String {
        Uuid::now_v7().simple().to_string()
    }

    /// A query's message id: needs no order and no system call for randomness.
    pub(super) fn query_id(&self) -> String {
        self.fresh()
    }

    /// The request's correlation id: `traceparent`'s trace id where there is a valid one, else 32 fresh hex digits.
    pub(super) fn correlation_id(&self, headers: &HeaderMap) -> String {
        headers
            .get("traceparent")
            .and_then(|value| value.to_str().ok())
            .and_then(trace_id)
            .map_or_else(|| self.fresh(), str::to_owned)
    }

    fn fresh(&self) -> String {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}{:016x}", self.seed, mix(self.seed ^ n))
    }
}

/// SplitMix64's finaliser: a bijection, so that different counts never give the same id.
const fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The trace id of a W3C `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`, lower case, not all zeros, version not `ff`.
fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let version = hex(parts.next()?, 2)?;
    let trace = hex(parts.next()?, 32)?;
    let parent = hex(parts.next()?, 16)?;
    hex(parts.next()?, 2)?;
    let ends = parts.next().is_none();
    let nonzero = |text: &str| text.bytes().any(|byte| byte != b'0');
    (version != "ff" && (ends || version != "00") && nonzero(trace) && nonzero(parent))
        .then_some(trace)
}

fn hex(text: &str, digits: usize) -> Option<&str> {
    let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == digits && text.bytes().all(is_hex)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_valid_traceparent_gives_its_trace_id_and_others_none() {
        let cases = [
            (format!("00-{TRACE}-00f067aa0ba902b7-01"), true),
            (format!("01-{TRACE}-00f067aa0ba902b7-01-more"), true),
            (format!("00-{TRACE}-00f067aa0ba902b7-01-more"), false),
            (format!("ff-{TRACE}-00f067aa0ba902b7-01"), false),
            (format!("00-{TRACE}-0000000000000000-01"), false),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            (
                format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
                false,
            ),
            (TRACE.to_owned(), false),
            (String::new(), false),
        ];
        for (text, valid) in cases {
            assert_eq!(trace_id(&text), valid.then_some(TRACE), "{text}");
        }
    }

    #[test]
    fn fresh_ids_are_32_hex_digits_and_differ() {
        let ids = Ids::new();
        let made: std::collections::HashSet<String> = (0..1000)
            .map(|_| ids.correlation_id(&HeaderMap::new()))
            .collect();
        assert_eq!(made.len(), 1000);
        assert!(made.iter().all(|id| hex(id, 32).is_some()));
    }
}
