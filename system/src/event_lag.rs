//! Event lag: how long after its publication a consumer group has handled an event. Knows events' times, not what handling them means.

use prometheus_client::metrics::histogram::Histogram;

use crate::clock::now_us;
use crate::event_store::RecordedEvent;
use crate::telemetry::{GroupLabels, Metrics};
use crate::topic::Topic;

/// The event lag of one consumer group in one topic.
#[derive(Debug)]
pub struct EventLag(Histogram);

impl EventLag {
    /// Recorded under these names.
    #[must_use]
    pub fn of(metrics: &Metrics, group: &str, topic: Topic) -> Self {
        Self(metrics.event_lag.get_or_create_owned(&GroupLabels {
            group: group.to_owned(),
            topic: topic.name(),
        }))
    }

    /// These events have been handled just now.
    pub fn handled(&self, batch: &[RecordedEvent]) {
        let now_us = now_us();
        for event in batch {
            #[allow(
                clippy::cast_precision_loss,
                reason = "an event lag is far below 2^52 µs"
            )]
            self.0
                .observe(now_us.saturating_sub(event.published_at_us) as f64 / 1e6);
        }
    }
}
