//! Telemetry: the log's format, and the metrics of all parts of the process.

use ordershop_contract::metrics::QueueMetrics;
use ordershop_gateway::GatewayMetrics;
use ordershop_redis::metrics::AppendMetrics;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;

use crate::terminal::has_colour;

/// Sends the log to stderr, filtered by `RUST_LOG` (default `info`).
pub fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second call (tests in one process) changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(has_colour(&std::io::stderr()))
        // By default what can't be written is told on stderr, which panics if that is what can't be written.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .try_init();
}

/// Every metric of the process. Cheap to clone: clones share the counters.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Of the queues.
    pub queues: QueueMetrics,
    /// Of the event store's writers.
    pub appends: AppendMetrics,
    /// Of the gateway, and of what it asks others.
    pub gateway: GatewayMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let queues = QueueMetrics::default();
        Self {
            gateway: GatewayMetrics::new(queues.clone()),
            appends: AppendMetrics::default(),
            queues,
        }
    }
}

impl Metrics {
    /// A registry that exports the metrics under their public names, `ordershop_…`; durations are in seconds.
    #[must_use]
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("ordershop");
        self.gateway.register(&mut registry);
        self.queues.register(&mut registry);
        self.appends.register(&mut registry);
        registry
    }
}
