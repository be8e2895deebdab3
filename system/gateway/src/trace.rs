//! Correlation ids of requests and ids of messages. Must not know any message or event.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::HeaderMap;
use uuid::Uuid;

use super::server_timing::ServerTiming;

/// A request's correlation id, and its times if it is sampled.
pub(super) struct Trace {
    pub(super) correlation_id: String,
    /// Only for a sampled request.
    pub(super) timing: Option<Box<ServerTiming>>,
}

impl Trace {
    /// The trace of a request that isn't sampled, or of the gateway's own query.
    pub(super) fn untimed(correlation_id: String) -> Self {
        Self {
            correlation_id,
            timing: None,
        }
    }
}

/// Generates ids that are unique across all gateways.
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

    /// A command's message id, ordered by time; the ids of the entities that it creates derive from it.
    pub(super) fn message_id(&self) -> String {
        Uuid::now_v7().simple().to_string()
    }

    /// A query's message id: unordered, made without a system call for randomness.
    pub(super) fn query_id(&self) -> String {
        self.fresh()
    }

    /// The request's trace: its correlation id is the trace id of a valid `traceparent`, else 32 fresh hex digits.
    pub(super) fn trace(&self, headers: &HeaderMap) -> Trace {
        let parent = headers.get("traceparent");
        match parent.and_then(|v| v.to_str().ok()).and_then(parse) {
            Some((id, sampled)) => Trace {
                correlation_id: id.to_owned(),
                timing: sampled.then(|| Box::new(ServerTiming::start())),
            },
            None => Trace::untimed(self.fresh()),
        }
    }

    fn fresh(&self) -> String {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}{:016x}", self.seed, mix(self.seed ^ n))
    }
}

/// SplitMix64's finaliser: a bijection, so that different inputs never give the same id.
const fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The trace id of a W3C `traceparent` and whether it is sampled (the lowest bit of its flags): `00-<32 hex>-<16 hex>-<2 hex>`, lower case, not all zeros, version not `ff`.
fn parse(traceparent: &str) -> Option<(&str, bool)> {
    let mut parts = traceparent.split('-');
    let version = hex(parts.next()?, 2)?;
    let trace = hex(parts.next()?, 32)?;
    let parent = hex(parts.next()?, 16)?;
    let flags = u8::from_str_radix(hex(parts.next()?, 2)?, 16).ok()?;
    let ends = parts.next().is_none();
    let nonzero = |text: &str| text.bytes().any(|byte| byte != b'0');
    (version != "ff" && (ends || version != "00") && nonzero(trace) && nonzero(parent))
        .then_some((trace, flags & 1 == 1))
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
            assert_eq!(parse(&text), valid.then_some((TRACE, true)), "{text}");
        }
    }

    #[test]
    fn only_the_lowest_flag_asks_for_times() {
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("ff", true)] {
            let text = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
            assert_eq!(parse(&text), Some((TRACE, sampled)), "{flags}");
        }
    }

    #[test]
    fn fresh_ids_are_32_hex_digits_and_differ() {
        let ids = Ids::new();
        let made: std::collections::HashSet<String> = (0..1000)
            .map(|_| ids.trace(&HeaderMap::new()).correlation_id)
            .collect();
        assert_eq!(made.len(), 1000);
        assert!(made.iter().all(|id| hex(id, 32).is_some()));
    }
}
