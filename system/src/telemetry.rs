//! Telemetry: the log's format and every metric's name.

use std::io::IsTerminal;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;

/// Sends the log to stderr, filtered by `RUST_LOG` (default `info`).
pub fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second call (tests in one process) changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}

/// Labels of a consumer group in a topic.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct GroupLabels {
    /// The consumer group.
    pub group: String,
    /// The topic.
    pub topic: &'static str,
}

/// Labels of a topic.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct TopicLabels {
    /// The topic.
    pub topic: &'static str,
}

/// Labels of a queue.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct QueueLabels {
    /// `service.function`.
    pub queue: String,
}

/// Labels of requests to the gateway.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RequestLabels {
    /// HTTP method.
    pub method: &'static str,
    /// The route's pattern, never the path itself (ids would make it grow without limit).
    pub route: &'static str,
    /// HTTP status.
    pub status: u16,
}

/// Labels of a route's durations.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RouteLabels {
    /// The route's pattern.
    pub route: &'static str,
}

/// Buckets from 50 µs to 60 s in steps of 15 %: a percentile read from them is accurate to 15 %.
fn duration_histogram() -> Histogram {
    Histogram::new(exponential_buckets(50e-6, 1.15, 101))
}

/// Buckets from 1 to 16,384 in powers of two.
fn size_histogram() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 15))
}

/// Every metric of the process. Cheap to clone: clones share the counters.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// HTTP requests answered.
    pub http_requests: Family<RequestLabels, Counter>,
    /// Time from a request's head to its answer, seconds.
    pub http_request_duration: Family<RouteLabels, Histogram, fn() -> Histogram>,
    /// Undelivered and pending entries of a group.
    pub group_backlog: Family<GroupLabels, Gauge>,
    /// Delivered, unacknowledged entries.
    pub group_pending: Family<GroupLabels, Gauge>,
    /// Entries in the group's dead-letter stream.
    pub group_dead_letters: Family<GroupLabels, Gauge>,
    /// Messages not yet taken.
    pub queue_depth: Family<QueueLabels, Gauge>,
    /// Messages in the dead-letter list.
    pub queue_dead_letters: Family<QueueLabels, Gauge>,
    /// Messages per batch that a worker took.
    pub queue_batch_messages: Family<QueueLabels, Histogram, fn() -> Histogram>,
    /// Messages that this process's workers have handled; shows each instance's share of the work.
    pub messages_handled: Family<QueueLabels, Counter>,
    /// Events written.
    pub appends: Family<TopicLabels, Counter>,
    /// Events in one group commit.
    pub append_batch_events: Family<TopicLabels, Histogram, fn() -> Histogram>,
    /// Transactions refused because of a version or a claim.
    pub append_conflicts: Family<TopicLabels, Counter>,
    /// Asynchronous commands that the domain refused; no client waits for their answer.
    pub async_rejections: Family<QueueLabels, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            http_requests: Family::default(),
            http_request_duration: Family::new_with_constructor(duration_histogram),
            group_backlog: Family::default(),
            group_pending: Family::default(),
            group_dead_letters: Family::default(),
            queue_depth: Family::default(),
            queue_dead_letters: Family::default(),
            queue_batch_messages: Family::new_with_constructor(size_histogram),
            messages_handled: Family::default(),
            appends: Family::default(),
            append_batch_events: Family::new_with_constructor(size_histogram),
            append_conflicts: Family::default(),
            async_rejections: Family::default(),
        }
    }
}

impl Metrics {
    /// A registry that exports the metrics under their public names, `ordershop_…`; durations are in seconds.
    #[must_use]
    pub fn registry(&self) -> Registry {
        let mut r = Registry::with_prefix("ordershop");
        r.register(
            "http_requests",
            "HTTP requests answered",
            self.http_requests.clone(),
        );
        r.register(
            "http_request_duration_seconds",
            "From a request's head to its answer",
            self.http_request_duration.clone(),
        );
        r.register(
            "group_backlog",
            "Undelivered and pending entries",
            self.group_backlog.clone(),
        );
        r.register(
            "group_pending",
            "Delivered, unacknowledged entries",
            self.group_pending.clone(),
        );
        r.register(
            "group_dead_letters",
            "Entries in the dead-letter stream",
            self.group_dead_letters.clone(),
        );
        r.register(
            "queue_depth",
            "Messages not yet taken",
            self.queue_depth.clone(),
        );
        r.register(
            "queue_dead_letters",
            "Messages in the dead-letter list",
            self.queue_dead_letters.clone(),
        );
        r.register(
            "queue_batch_messages",
            "Messages taken at once",
            self.queue_batch_messages.clone(),
        );
        r.register(
            "messages_handled",
            "Messages that this process's workers have handled",
            self.messages_handled.clone(),
        );
        r.register("appends", "Events written", self.appends.clone());
        r.register(
            "append_batch_events",
            "Events in one group commit",
            self.append_batch_events.clone(),
        );
        r.register(
            "append_conflicts",
            "Transactions refused for a version or a claim",
            self.append_conflicts.clone(),
        );
        r.register(
            "async_rejections",
            "Asynchronous commands refused by the domain",
            self.async_rejections.clone(),
        );
        r
    }
}
