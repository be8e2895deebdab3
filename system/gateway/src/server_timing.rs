//! The standard `Server-Timing` header, for sampled requests. Times of other processes come from their wall clocks: between
//! machines, a duration is off by the difference of their clocks. It may even be negative and is reported as it is.

use std::fmt::Write;
use std::sync::OnceLock;

use axum::http::{HeaderName, HeaderValue};

use ordershop_contract::clock::now_us;
use ordershop_contract::correlation::{AppendTimes, HandlerTimes};

pub(super) static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// One request's times, µs since the Unix epoch; each is set at most once.
pub(super) struct ServerTiming {
    started_at_us: u64,
    sent_at_us: OnceLock<u64>,
    handled: OnceLock<(HandlerTimes, Option<AppendTimes>)>,
}

impl ServerTiming {
    /// Starts the clock: the request has arrived.
    pub(super) fn start() -> Self {
        Self {
            started_at_us: now_us(),
            sent_at_us: OnceLock::new(),
            handled: OnceLock::new(),
        }
    }

    /// Records that the request's message is handed to the queue now.
    pub(super) fn sent(&self) {
        let _ = self.sent_at_us.set(now_us());
    }

    /// Records the handling times from the reply.
    pub(super) fn handled(&self, handler: HandlerTimes, append: Option<AppendTimes>) {
        let _ = self.handled.set((handler, append));
    }

    /// The header's value: durations in milliseconds that add up to the time from the request's arrival until now.
    pub(super) fn header(&self) -> HeaderValue {
        let text = self.text(now_us());
        HeaderValue::try_from(text).expect("names and numbers are plain text")
    }

    fn text(&self, now_us: u64) -> String {
        let mut text = String::new();
        let mut at_us = self.started_at_us;
        let mut part = |name: &str, until_us: u64| {
            let comma = if text.is_empty() { "" } else { ", " };
            let duration_ms = until_us.wrapping_sub(at_us).cast_signed() as f64 / 1e3;
            let _ = write!(text, "{comma}{name};dur={duration_ms:.3}");
            at_us = until_us;
        };
        let (Some(sent_at_us), Some((handler, append))) =
            (self.sent_at_us.get(), self.handled.get())
        else {
            part("gateway", now_us);
            return text;
        };
        part("gateway", *sent_at_us);
        part("queue", handler.received_at_us);
        match append {
            Some(append) => {
                part("handler", append.submitted_at_us);
                part("append", append.committed_at_us);
            }
            None => part("handler", handler.answered_at_us),
        }
        part("reply", now_us);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_stand_in_order_and_add_up_to_the_whole() {
        let timing = ServerTiming {
            started_at_us: 1_000,
            sent_at_us: OnceLock::from(1_100),
            handled: OnceLock::new(),
        };
        assert_eq!(timing.text(9_500), "gateway;dur=8.500");
        let handler = HandlerTimes {
            received_at_us: 2_000,
            answered_at_us: 6_000,
        };
        let append = AppendTimes {
            submitted_at_us: 2_500,
            committed_at_us: 5_500,
        };
        timing.handled(handler, Some(append));
        assert_eq!(
            timing.text(9_500),
            "gateway;dur=0.100, queue;dur=0.900, handler;dur=0.500, append;dur=3.000, reply;dur=4.000"
        );
    }

    #[test]
    fn another_machine_s_clock_shows_as_a_negative_part() {
        let timing = ServerTiming {
            started_at_us: 1_000,
            sent_at_us: OnceLock::from(1_100),
            handled: OnceLock::new(),
        };
        let handler = HandlerTimes {
            received_at_us: 600,
            answered_at_us: 700,
        };
        timing.handled(handler, None);
        assert_eq!(
            timing.text(1_300),
            "gateway;dur=0.100, queue;dur=-0.500, handler;dur=0.100, reply;dur=0.600"
        );
    }
}
