//! What the event store's writers count. Knows the metrics' names, not where they are shown.

use ordershop_contract::metrics::size_histogram;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Labels of a partition.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct TopicLabels {
    /// The partition's name: that of its topic, from the second one on with its number.
    pub topic: String,
}

/// The metrics of appends. Cheap to clone: clones share the counters.
#[derive(Clone, Debug)]
pub struct AppendMetrics {
    /// Events written.
    pub appends: Family<TopicLabels, Counter>,
    /// Events in one group commit.
    pub append_batch_events: Family<TopicLabels, Histogram, fn() -> Histogram>,
    /// Transactions refused because of a version or a claim.
    pub append_conflicts: Family<TopicLabels, Counter>,
}

impl Default for AppendMetrics {
    fn default() -> Self {
        Self {
            appends: Family::default(),
            append_batch_events: Family::new_with_constructor(size_histogram),
            append_conflicts: Family::default(),
        }
    }
}

impl AppendMetrics {
    /// Adds them to a process's metrics.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("appends", "Events written", self.appends.clone());
        registry.register(
            "append_batch_events",
            "Events in one group commit",
            self.append_batch_events.clone(),
        );
        registry.register(
            "append_conflicts",
            "Transactions refused for a version or a claim",
            self.append_conflicts.clone(),
        );
    }
}
