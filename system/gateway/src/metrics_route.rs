//! `/metrics`: every metric of the process, refreshed from the event store and the message queue.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use metrics_exposition::Format;
use prometheus_client::registry::Registry;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::metrics::{GatewayMetrics, GroupLabels};
use ordershop_contract::event_store::EventStore;
use ordershop_contract::message_queue::MessageQueue;
use ordershop_contract::queue_names;

use super::error::HttpError;
use super::group_lags::{Buckets, GroupLags};
use super::server_usage::LastUsage;

/// Figures younger than this are not refreshed.
const FRESH: Duration = Duration::from_millis(200);
/// Figures that don't arrive within this stay as they were.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// The metrics registry, and when its gauges were last refreshed.
pub(super) struct MetricsRoute {
    metrics: GatewayMetrics,
    /// All but the event lags.
    registry: Registry,
    coarse_lags: Registry,
    fine_lags: Registry,
    queue: Arc<dyn MessageQueue>,
    events: Arc<dyn EventStore>,
    refreshed: Mutex<Option<Instant>>,
    lags: Arc<GroupLags>,
    usage: Arc<LastUsage>,
}

impl MetricsRoute {
    pub(super) fn new(
        metrics: GatewayMetrics,
        mut registry: Registry,
        queue: Arc<dyn MessageQueue>,
        events: Arc<dyn EventStore>,
    ) -> Self {
        let lags = Arc::new(GroupLags::default());
        let usage = Arc::new(LastUsage::default());
        registry.register_collector(Box::new(Arc::clone(&usage)));
        Self {
            registry,
            coarse_lags: lags.registry(Buckets::Coarse),
            fine_lags: lags.registry(Buckets::Fine),
            lags,
            usage,
            metrics,
            queue,
            events,
            refreshed: Mutex::new(None),
        }
    }

    async fn refresh(&self) {
        let mut refreshed = self.refreshed.lock().await;
        if refreshed.is_some_and(|at| at.elapsed() < FRESH) {
            return;
        }
        let queues = queue_names::all();
        let (groups, queues, usage) = tokio::join!(
            tokio::time::timeout(ASK_TIMEOUT, self.events.groups()),
            tokio::time::timeout(ASK_TIMEOUT, self.queue.status(&queues)),
            tokio::time::timeout(ASK_TIMEOUT, self.events.server_usage()),
        );
        *refreshed = Some(Instant::now());
        if let Ok(Ok(Some(usage))) = usage {
            self.usage.replace(usage);
        }
        let mut lags = Vec::new();
        for status in groups.into_iter().flatten().flatten() {
            let labels = GroupLabels {
                group: status.group,
                topic: status.partition.to_string(),
            };
            let metrics = &self.metrics;
            let set = |family: &prometheus_client::metrics::family::Family<GroupLabels, _>, n| {
                gauge(&family.get_or_create_owned(&labels), n);
            };
            set(&metrics.group_pending, status.pending);
            set(&metrics.group_dead_letters, status.dead_letters);
            lags.push((labels.clone(), status.lag));
            // If the server can't tell, the previous figure stays: zero would be wrong.
            if let Some(undelivered) = status.undelivered {
                set(&metrics.group_backlog, undelivered + status.pending);
            }
        }
        if !lags.is_empty() {
            self.lags.replace(lags);
        }
        for status in queues.into_iter().flatten().flatten() {
            self.metrics.queues.told(&status);
        }
    }

    /// Answers with every metric. Figures of the store and the queue stay as they were if these don't answer.
    pub(super) async fn answer(
        &self,
        buckets: Buckets,
        accept: Option<&str>,
    ) -> Result<Response, HttpError> {
        self.refresh().await;
        let lags = match buckets {
            Buckets::Coarse => &self.coarse_lags,
            Buckets::Fine => &self.fine_lags,
        };
        let format = Format::accepted(accept);
        let encoded = format.encode(&[&self.registry, lags]).map_err(|_| {
            HttpError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics could not be encoded",
            )
        })?;
        let mut response = Response::new(Body::from(encoded));
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(format.content_type()),
        );
        Ok(response)
    }
}

fn gauge(gauge: &prometheus_client::metrics::gauge::Gauge, n: u64) {
    gauge.set(i64::try_from(n).unwrap_or(i64::MAX));
}
