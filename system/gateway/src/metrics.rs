//! What the gateway counts. Knows the metrics' names, not where they are shown.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use ordershop_contract::metrics::QueueMetrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Labels of a consumer group in a partition.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct GroupLabels {
    /// The consumer group.
    pub group: String,
    /// The partition's name: that of its topic, from the second one on with its number.
    pub topic: String,
}

/// Labels of requests to the gateway.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RequestLabels {
    /// HTTP method.
    pub method: &'static str,
    /// The route's pattern, never the path itself (ids would make it grow without limit).
    pub route: String,
    /// HTTP status.
    pub status: u16,
}

/// Labels of a route's durations.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RouteLabels {
    /// The route's pattern.
    pub route: String,
}

/// The methods that metrics name; clients must not be able to add labels without limit.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];

/// Buckets from 50 µs to 52 s in steps of two: each is a series for every route.
fn duration_histogram() -> Histogram {
    Histogram::new(exponential_buckets(50e-6, 2.0, 21))
}

/// The gateway's metrics. Cheap to clone: clones share the counters.
#[derive(Clone, Debug)]
pub struct GatewayMetrics {
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
    /// How deep the queues are, which the gateway asks before it shows them.
    pub queues: QueueMetrics,
}

impl GatewayMetrics {
    /// Of a process whose queues are counted in `queues`.
    #[must_use]
    pub fn new(queues: QueueMetrics) -> Self {
        Self {
            http_requests: Family::default(),
            http_request_duration: Family::new_with_constructor(duration_histogram),
            group_backlog: Family::default(),
            group_pending: Family::default(),
            group_dead_letters: Family::default(),
            queues,
        }
    }

    fn requests(&self, method: &Method, route: &str, status: StatusCode) -> Counter {
        let known = METHODS.into_iter().find(|name| *name == method.as_str());
        self.http_requests.get_or_create_owned(&RequestLabels {
            method: known.unwrap_or("other"),
            route: route.to_owned(),
            status: status.as_u16(),
        })
    }

    fn durations(&self, route: &str) -> Histogram {
        self.http_request_duration
            .get_or_create_owned(&RouteLabels {
                route: route.to_owned(),
            })
    }

    /// Adds its own to a process's metrics: those of the queues belong to all who use them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "HTTP requests answered",
            self.http_requests.clone(),
        );
        registry.register(
            "http_request_duration_seconds",
            "From a request's head to its answer",
            self.http_request_duration.clone(),
        );
        registry.register(
            "group_backlog",
            "Undelivered and pending entries",
            self.group_backlog.clone(),
        );
        registry.register(
            "group_pending",
            "Delivered, unacknowledged entries",
            self.group_pending.clone(),
        );
        registry.register(
            "group_dead_letters",
            "Entries in the dead-letter stream",
            self.group_dead_letters.clone(),
        );
    }
}

/// The counters of one handler, which serves one route; looked up once, because every request passes here.
#[derive(Debug, Default)]
pub(crate) struct HandlerMetrics {
    durations: OnceLock<Histogram>,
    /// The answers with status 200 to the handler's first method; others are rare enough to be looked up each time.
    ok: OnceLock<(Method, Counter)>,
}

impl HandlerMetrics {
    /// Counts an answered request.
    pub(crate) fn answered(
        &self,
        metrics: &GatewayMetrics,
        method: &Method,
        route: &str,
        status: StatusCode,
        took: Duration,
    ) {
        self.durations
            .get_or_init(|| metrics.durations(route))
            .observe(took.as_secs_f64());
        if status == StatusCode::OK {
            let found = || (method.clone(), metrics.requests(method, route, status));
            let (known, counter) = self.ok.get_or_init(found);
            if known == method {
                counter.inc();
                return;
            }
        }
        metrics.requests(method, route, status).inc();
    }
}
