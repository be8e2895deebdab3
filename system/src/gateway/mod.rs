//! The api-gateway: turns HTTP requests into messages, and serves the live feed. Knows the message queue and the event store
//! only by their traits; must not know Redis, the domain or any service.

mod answer;
mod body_writer;
mod commands;
mod error;
mod event_json;
mod event_page;
mod feed;
mod health;
mod json_body;
mod lags;
mod metrics_route;
mod order_report;
mod page;
mod paging;
mod payload;
mod queries;
mod readiness;
mod reply;
mod report;
mod request_metrics;
mod routes;
mod server;
mod server_timing;
mod server_usage;
mod session;
mod trace;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::correlation::{Correlation, Times};
use crate::event_store::EventStore;
use crate::message_queue::{MessageQueue, OutgoingMessage, QueueName};
use crate::redis_info::RedisInfo;
use crate::telemetry::Metrics;
use crate::topic::Topic;

use error::HttpError;
use feed::hub::Hub;
use metrics_route::MetricsRoute;
use request_metrics::RequestMetrics;
use session::Session;
use trace::{Ids, Trace};

pub use readiness::{Readiness, ReadinessState, StoreReadiness};

/// Checks one entity's JSON as its service would, so that an asynchronous command that can't succeed is refused at once.
/// The error says what is wrong and what to do.
pub type Validate = fn(Topic, &RawValue) -> Result<(), String>;

/// The gateway's limits, and what the program passes to it.
#[derive(Clone)]
pub struct GatewayConfig {
    /// Longest request body, bytes.
    pub body_bytes_max: usize,
    /// Longest time for a request body to arrive, ms.
    pub body_timeout_ms: u64,
    /// Most entities in one array.
    pub entities_per_array_max: usize,
    /// Timeout of a command or query, ms; an array gets [`GatewayConfig::call_timeout_ms_per_entity`] more for each entity.
    pub call_timeout_ms: u64,
    /// What each further entity of an array adds to its command's timeout, ms.
    pub call_timeout_ms_per_entity: u64,
    /// Most HTTP connections at once; further ones wait to be accepted.
    pub connections_max: usize,
    /// How long requests in flight may take to end after a shutdown was requested, ms.
    pub drain_ms: u64,
    /// The live feed's limits.
    pub feed: FeedConfig,
    /// Checks entities on the asynchronous endpoints.
    pub validate: Validate,
    /// What `/health` shows of the Redis server.
    pub runs_on: watch::Receiver<RedisInfo>,
    /// Checks whether the system is ready.
    pub readiness: Arc<dyn Readiness>,
}

impl GatewayConfig {
    /// The default limits.
    #[must_use]
    pub fn new(
        runs_on: watch::Receiver<RedisInfo>,
        readiness: Arc<dyn Readiness>,
        validate: Validate,
    ) -> Self {
        Self {
            body_bytes_max: 8 << 20,
            body_timeout_ms: 30_000,
            entities_per_array_max: 10_000,
            call_timeout_ms: 5_000,
            call_timeout_ms_per_entity: 2,
            connections_max: 10_000,
            drain_ms: 10_000,
            feed: FeedConfig::default(),
            validate,
            runs_on,
            readiness,
        }
    }
}

impl fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayConfig")
            .field("body_bytes_max", &self.body_bytes_max)
            .field("body_timeout_ms", &self.body_timeout_ms)
            .field("entities_per_array_max", &self.entities_per_array_max)
            .field("call_timeout_ms", &self.call_timeout_ms)
            .field("connections_max", &self.connections_max)
            .field("drain_ms", &self.drain_ms)
            .field("feed", &self.feed)
            .field("runs_on", &self.runs_on)
            .finish_non_exhaustive()
    }
}

/// The live feed's limits.
#[derive(Clone, Debug)]
pub struct FeedConfig {
    /// Most WebSockets at once; further ones are refused with 503.
    pub sockets_max: usize,
    /// Most bytes that may wait for a client before it is disconnected (sockets share the frames).
    pub lag_bytes_max: usize,
    /// Longest frame, bytes; a single longer event makes a longer frame.
    pub frame_bytes_max: usize,
    /// Most events per read of the event store, 1–10,000.
    pub batch_max: usize,
    /// Interval between pings, ms; a client that sends nothing for three intervals is disconnected.
    pub ping_ms: u64,
    /// Shortest interval between two reads of the read model's progress, ms.
    pub applied_interval_ms: u64,
}

impl Default for FeedConfig {
    fn default() -> Self {
        Self {
            sockets_max: 256,
            lag_bytes_max: 16 << 20,
            frame_bytes_max: 256 << 10,
            batch_max: 512,
            ping_ms: 15_000,
            applied_interval_ms: 1,
        }
    }
}

/// The state that all requests share.
struct Shared {
    queue: Arc<dyn MessageQueue>,
    events: Arc<dyn EventStore>,
    config: GatewayConfig,
    session: Session,
    ids: Ids,
    requests: RequestMetrics,
    metrics: MetricsRoute,
    hub: Hub,
    sockets: Arc<Semaphore>,
    /// Cancelled when the gateway is to stop.
    shutdown: CancellationToken,
    /// Connections, WebSockets and the feed's tasks: a shutdown waits for all of them.
    tasks: TaskTracker,
}

impl Shared {
    /// Calls a function and waits for the reply's JSON.
    async fn call(
        &self,
        to: QueueName,
        payload: Box<RawValue>,
        message_id: String,
        trace: &Trace,
        timeout: Duration,
    ) -> Result<Box<RawValue>, HttpError> {
        let message = OutgoingMessage {
            to,
            message_id,
            payload,
            correlation: request_correlation(trace),
        };
        if let Some(timing) = &trace.timing {
            timing.sent();
        }
        Ok(self.queue.call(message, timeout).await?)
    }

    /// Queries the read model, with the timeout for queries.
    async fn query(
        &self,
        to: QueueName,
        payload: Box<RawValue>,
        correlation_id: &str,
    ) -> Result<Box<RawValue>, HttpError> {
        let trace = Trace::untimed(correlation_id.to_owned());
        self.ask(to, payload, &trace).await
    }

    /// Queries the read model, and records the times in the request's trace.
    async fn ask(
        &self,
        to: QueueName,
        payload: Box<RawValue>,
        trace: &Trace,
    ) -> Result<Box<RawValue>, HttpError> {
        let timeout = Duration::from_millis(self.config.call_timeout_ms);
        self.call(to, payload, self.ids.query_id(), trace, timeout)
            .await
    }
}

/// The correlation of a request's message: the request is both its origin and its direct cause.
fn request_correlation(trace: &Trace) -> Correlation {
    Correlation {
        correlation_id: trace.correlation_id.clone(),
        causation_id: trace.correlation_id.clone(),
        times: trace.timing.as_ref().map(|_| Times::default()),
    }
}

/// The api-gateway.
pub struct Gateway {
    queue: Arc<dyn MessageQueue>,
    events: Arc<dyn EventStore>,
    metrics: Metrics,
    config: GatewayConfig,
}

impl Gateway {
    /// A gateway to the given queue and event store. Does nothing until [`Gateway::serve`].
    #[must_use]
    pub fn new(
        queue: Arc<dyn MessageQueue>,
        events: Arc<dyn EventStore>,
        metrics: Metrics,
        config: GatewayConfig,
    ) -> Self {
        Self {
            queue,
            events,
            metrics,
            config,
        }
    }

    /// Serves until cancelled. Then accepts no more, lets requests in flight end (at most `drain_ms`) and closes WebSockets with a close frame.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let shared = Arc::new(Shared {
            requests: RequestMetrics::new(&self.metrics),
            metrics: MetricsRoute::new(self.metrics),
            session: Session::default(),
            ids: Ids::new(),
            hub: Hub::new(self.config.feed.clone()),
            sockets: Arc::new(Semaphore::new(self.config.feed.sockets_max)),
            queue: self.queue,
            events: self.events,
            config: self.config,
            shutdown,
            tasks: TaskTracker::new(),
        });
        feed::start(&shared);
        server::serve(shared, listener).await;
    }
}
