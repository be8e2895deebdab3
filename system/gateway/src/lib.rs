//! The api-gateway: turns HTTP requests into messages, and serves the live feed. Knows the message queue and the event store
//! only by their traits; must not know Redis, the domain or any service.

mod answer;
mod body_writer;
mod commands;
mod config;
mod error;
mod event_json;
mod event_page;
mod feed;
mod health;
mod hub;
mod json_body;
mod lags;
mod lists;
mod metrics;
mod metrics_route;
mod page;
mod paging;
mod queries;
mod reply;
mod report;
mod request;
mod routes;
mod server;
mod server_timing;
mod server_usage;
mod session;
mod shared;
mod trace;

use std::sync::Arc;

use ordershop_contract::event_store::EventStore;
use ordershop_contract::message_queue::MessageQueue;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use hub::Hub;
use metrics_route::MetricsRoute;
use session::Session;
use shared::Shared;
use trace::Ids;

pub use config::{FeedConfig, GatewayConfig, Validate};
pub use metrics::GatewayMetrics;

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
        let shared = Arc::new(Shared {
            metrics: self.metrics.clone(),
            metrics_route: MetricsRoute::new(
                self.metrics,
                self.registry,
                Arc::clone(&self.queue),
                Arc::clone(&self.events),
            ),
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
        let router = routes::router(Arc::clone(&shared));
        server::serve(&shared, listener, router).await;
    }
}
