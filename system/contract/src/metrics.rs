//! What is counted of each queue, by callers, workers and the queue itself. Knows the metrics' names, not where they are shown.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::message_queue::QueueStatus;

/// Labels of a queue.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct QueueLabels {
    /// The queue's name: `service.function`.
    pub queue: String,
}

/// Buckets from 1 to 16,384 in powers of four: each is a series for every queue or topic.
#[must_use]
pub fn size_histogram() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 4.0, 8))
}

/// The metrics of every queue. Cheap to clone: clones share the counters.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    /// Messages not yet taken.
    pub queue_depth: Family<QueueLabels, Gauge>,
    /// Messages taken and not answered.
    pub queue_held: Family<QueueLabels, Gauge>,
    /// The number of messages in the dead-letter list.
    pub queue_dead_letters: Family<QueueLabels, Gauge>,
    /// Messages per batch that a worker took.
    pub queue_batch_messages: Family<QueueLabels, Histogram, fn() -> Histogram>,
    /// Messages that this process's workers have handled; shows each instance's share of the work.
    pub messages_handled: Family<QueueLabels, Counter>,
    /// Messages that were dropped because their callers had given up before a worker began them.
    pub messages_expired: Family<QueueLabels, Counter>,
    /// Calls that were refused at once because what waits could not be done in time.
    pub calls_refused: Family<QueueLabels, Counter>,
    /// Asynchronous commands that the domain refused; no client waits for their answer.
    pub async_rejections: Family<QueueLabels, Counter>,
}

impl Default for QueueMetrics {
    fn default() -> Self {
        Self {
            queue_depth: Family::default(),
            queue_held: Family::default(),
            queue_dead_letters: Family::default(),
            queue_batch_messages: Family::new_with_constructor(size_histogram),
            messages_handled: Family::default(),
            messages_expired: Family::default(),
            calls_refused: Family::default(),
            async_rejections: Family::default(),
        }
    }
}

impl QueueMetrics {
    /// Sets the gauges of a queue.
    pub fn told(&self, status: &QueueStatus) {
        let labels = QueueLabels {
            queue: status.queue.clone(),
        };
        for (family, count) in [
            (&self.queue_depth, status.depth),
            (&self.queue_held, status.held),
            (&self.queue_dead_letters, status.dead_letters),
        ] {
            family.get_or_create(&labels).set(count.cast_signed());
        }
    }

    /// Adds them to a process's metrics.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "queue_depth",
            "Messages not yet taken",
            self.queue_depth.clone(),
        );
        registry.register(
            "queue_held",
            "Messages taken and not answered; a dead worker's, too, until they are given back",
            self.queue_held.clone(),
        );
        registry.register(
            "queue_dead_letters",
            "Messages in the dead-letter list",
            self.queue_dead_letters.clone(),
        );
        registry.register(
            "queue_batch_messages",
            "Messages taken at once",
            self.queue_batch_messages.clone(),
        );
        registry.register(
            "messages_handled",
            "Messages that this process's workers have handled",
            self.messages_handled.clone(),
        );
        registry.register(
            "messages_expired",
            "Messages dropped because their callers had given up before a worker began them",
            self.messages_expired.clone(),
        );
        registry.register(
            "calls_refused",
            "Calls refused at once because what waits could not be done in time",
            self.calls_refused.clone(),
        );
        registry.register(
            "async_rejections",
            "Asynchronous commands refused by the domain",
            self.async_rejections.clone(),
        );
    }
}
