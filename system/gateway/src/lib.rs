//! The api-gateway: turns HTTP requests into messages, and serves the live feed. Knows the message queue and the event store
//! only by their traits; must not know Redis, the domain or any service.

mod answer;
mod answered_positions;
mod arrivals;
mod body_writer;
mod commands;
mod config;
mod connections;
mod dead_letters;
mod early_refusal;
mod error;
mod etag;
mod event_json;
mod event_page;
mod feed;
mod group_lags;
mod health;
mod hub;
mod idempotency_key;
mod json_body;
mod lists;
mod metrics;
mod metrics_route;
mod openapi;
mod page;
mod paging;
mod progress;
mod queries;
mod report;
mod request;
mod requests;
mod route;
mod routes;
mod sagas_behind;
mod server;
mod server_timing;
mod server_usage;
mod service_reply;
mod state;
mod strangers;
mod trace;
mod turnstile;
mod watched_body;
mod watched_stream;

use std::sync::Arc;

use ordershop_contract::event_store::EventStore;
use ordershop_contract::message_queue::MessageQueue;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use answered_positions::AnsweredPositions;
use hub::Hub;
use metrics_route::MetricsRoute;
use progress::Progress;
use state::GatewayState;
use trace::Ids;

pub use config::{Build, CheckEntity, FeedConfig, GatewayConfig};
pub use metrics::GatewayMetrics;
pub use strangers::{AllowedHost, AllowedOrigin, Strangers};

/// The api-gateway.
pub struct Gateway {
    queue: Arc<dyn MessageQueue>,
    events: Arc<dyn EventStore>,
    metrics: GatewayMetrics,
    registry: Registry,
    config: GatewayConfig,
}

impl Gateway {
    /// A gateway to the given queue and event store. Does nothing until [`Gateway::serve`]. `registry` holds all metrics of
    /// this process, those of `metrics` included.
    #[must_use]
    pub fn new(
        queue: Arc<dyn MessageQueue>,
        events: Arc<dyn EventStore>,
        metrics: GatewayMetrics,
        registry: Registry,
        config: GatewayConfig,
    ) -> Self {
        Self {
            queue,
            events,
            metrics,
            registry,
            config,
        }
    }

    /// Serves until cancelled. Then accepts no more, lets requests in flight end (at most `drain_ms`) and closes WebSockets with a close frame.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let table = routes::table();
        let state = Arc::new(GatewayState {
            metrics: self.metrics.clone(),
            metrics_route: MetricsRoute::new(
                self.metrics,
                self.registry,
                Arc::clone(&self.queue),
                Arc::clone(&self.events),
            ),
            answered: AnsweredPositions::default(),
            progress: Progress::default(),
            ids: Ids::new(),
            openapi: routes::document(&table, &self.config),
            hub: Hub::new(self.config.feed.clone()),
            sockets: Arc::new(Semaphore::new(self.config.feed.sockets_max)),
            queue: self.queue,
            events: self.events,
            config: self.config,
            shutdown,
            tasks: TaskTracker::new(),
        });
        feed::start(&state);
        // Requests that are being drained need both.
        let background = tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                let events = &*state.events;
                tokio::join!(state.answered.begin(events), state.progress.watch(events));
            }
        });
        let router = routes::router(table, Arc::clone(&state));
        server::serve(&state, listener, router).await;
        background.abort();
    }
}
