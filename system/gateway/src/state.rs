//! What every request shares, and how it asks a service.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use ordershop_contract::correlation::{Correlation, Times};
use ordershop_contract::event_store::EventStore;
use ordershop_contract::message_queue::{MessageQueue, OutgoingMessage, QueueError, QueueName};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answered_positions::AnsweredPositions;
use super::config::GatewayConfig;
use super::error::HttpError;
use super::hub::Hub;
use super::metrics::GatewayMetrics;
use super::metrics_route::MetricsRoute;
use super::progress::Progress;
use super::trace::{Ids, Trace};

/// The state that all requests share.
pub(crate) struct GatewayState {
    pub(crate) queue: Arc<dyn MessageQueue>,
    pub(crate) events: Arc<dyn EventStore>,
    pub(crate) config: GatewayConfig,
    pub(crate) answered: AnsweredPositions,
    pub(crate) progress: Progress,
    pub(crate) ids: Ids,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) metrics_route: MetricsRoute,
    /// What `/openapi.json` answers.
    pub(crate) openapi: Bytes,
    pub(crate) hub: Hub,
    pub(crate) sockets: Arc<Semaphore>,
    /// Cancelled when the gateway is to stop.
    pub(crate) shutdown: CancellationToken,
    /// Connections, WebSockets and the feed's tasks: a shutdown waits for all of them.
    pub(crate) tasks: TaskTracker,
}

impl GatewayState {
    /// Calls a function and waits for the reply's JSON.
    pub(crate) async fn call(
        &self,
        to: QueueName,
        payload: Box<RawValue>,
        message_id: String,
        trace: &Trace,
        timeout: Duration,
    ) -> Result<Box<RawValue>, QueueError> {
        let message = OutgoingMessage {
            to,
            message_id,
            payload,
            correlation: request_correlation(trace),
        };
        if let Some(timing) = &trace.timing {
            timing.sent();
        }
        self.queue.call(message, timeout).await
    }

    /// Queries the read model, with the timeout for queries.
    pub(crate) async fn query(
        &self,
        to: QueueName,
        payload: Box<RawValue>,
        correlation_id: &str,
    ) -> Result<Box<RawValue>, HttpError> {
        let trace = Trace::untimed(correlation_id.to_owned());
        self.ask(to, payload, &trace).await
    }

    /// Queries the read model, and records the times in the request's trace.
    pub(crate) async fn ask(
        &self,
        to: QueueName,
        payload: Box<RawValue>,
        trace: &Trace,
    ) -> Result<Box<RawValue>, HttpError> {
        let timeout = Duration::from_millis(self.config.call_timeout_ms);
        self.call(to, payload, self.ids.query_id(), trace, timeout)
            .await
            .map_err(HttpError::of_query)
    }
}

/// The correlation of a request's message: the request is both its origin and its direct cause.
pub(crate) fn request_correlation(trace: &Trace) -> Correlation {
    Correlation {
        correlation_id: trace.correlation_id.clone(),
        causation_id: trace.correlation_id.clone(),
        times: trace.timing.as_ref().map(|_| Times::default()),
    }
}
