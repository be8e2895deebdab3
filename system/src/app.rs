//! The whole system in one process: connects every service to one event store and one message queue. The only module that knows all of them.

pub mod health;
pub mod process;
mod reach;
pub mod roles;
pub mod stop_request;
pub mod supervisor;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{DATA_DIR_DEFAULT, UpConfig};
use crate::telemetry::Metrics;
use ordershop_contract::event_store::EventStore;
use ordershop_contract::event_store::ServerInfo;
use ordershop_contract::message_queue::MessageQueue;
use ordershop_contract::readiness::{Readiness, StoreReadiness};
use ordershop_contract::wire;
use ordershop_contract::worker::ServiceContext;
use ordershop_gateway::{Gateway, GatewayConfig};
use ordershop_read_model as read_model;
use ordershop_read_model::PlantedCpuCost;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::info;
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use ordershop_redis::server::{RedisServer, RedisServerError};

/// Interval between readiness checks while the system starts.
const READINESS_POLL: Duration = Duration::from_millis(10);
/// How long each part may take to finish its work at shutdown.
const DRAIN_MS_MAX: u64 = 10_000;

/// Why the system didn't start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Listening on the address failed.
    #[error("can't listen on {address}: {error}{hint}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        error: std::io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// The Redis address can't be used.
    #[error("the Redis address {url:?} can't be used: {error}")]
    RedisUrl {
        /// The address.
        url: String,
        /// Why not.
        error: redis::RedisError,
    },
    /// Our own Redis didn't start.
    #[error(transparent)]
    RedisServer(#[from] RedisServerError),
    /// A server's address, certificate or token can't be used.
    #[error(transparent)]
    Server(#[from] ordershop_grpc::server::ServerError),
    /// A peer's address can't be used.
    #[error(transparent)]
    Peer(#[from] ordershop_grpc::peer::PeerError),
    /// The supervisor could not start its processes.
    #[error("can't start the processes: {0}")]
    Processes(std::io::Error),
    /// The message queue didn't start.
    #[error(transparent)]
    Queue(#[from] ordershop_contract::message_queue::QueueError),
}

/// The running system.
pub struct App {
    address: SocketAddr,
    readiness: Arc<dyn Readiness>,
    runs_on: watch::Receiver<ServerInfo>,
    gateway: JoinHandle<()>,
    gateway_stop: CancellationToken,
    services_stop: CancellationToken,
    tasks: TaskTracker,
    events: Arc<RedisEventStore>,
    queue: Arc<RedisMessageQueue>,
    redis: Option<RedisServer>,
}

impl App {
    /// Starts everything. A named Redis need not be up yet: until it is, the gateway answers 503.
    ///
    /// # Errors
    /// The port is taken, the Redis address is invalid, or our own Redis doesn't start.
    pub async fn start(config: &UpConfig) -> Result<Self, AppError> {
        // The port first: if it is taken, nothing else should have been started.
        let listener = listen(config.listen).await?;
        let address = listener.local_addr().map_err(|error| AppError::Listen {
            address: config.listen,
            error,
            hint: "",
        })?;
        let (redis, url) = redis_of(config).await?;
        let bad_url = |error| AppError::RedisUrl {
            url: url.clone(),
            error,
        };
        let link = RedisLink::new(&url).map_err(bad_url)?;
        let metrics = Metrics::default();
        let events =
            RedisEventStore::start(link.clone(), &metrics.appends, EventStoreConfig::default())
                .map_err(bad_url)?;
        let queue =
            RedisMessageQueue::start(link.clone(), metrics.queues.clone(), QueueConfig::default())?;
        let context = ServiceContext {
            queue: Arc::clone(&queue) as Arc<dyn MessageQueue>,
            events: Arc::clone(&events) as Arc<dyn EventStore>,
            metrics: metrics.queues.clone(),
            instance: uuid::Uuid::now_v7().simple().to_string(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        for service in roles::SERVICES {
            (service.start)(&context);
        }
        let burn = PlantedCpuCost::us_per_event(config.burn_us_per_event);
        read_model::start(&context, &link, burn).map_err(bad_url)?;
        let wish = config.durability.filter(|_| redis.is_none());
        let runs_on = info::watch(&context.stop, &context.tasks, link, wish);
        let readiness: Arc<dyn Readiness> = Arc::new(StoreReadiness::new(
            Arc::clone(&context.queue),
            Arc::clone(&context.events),
        ));
        let gateway_stop = CancellationToken::new();
        let gateway = Gateway::new(
            Arc::clone(&context.queue),
            Arc::clone(&context.events),
            metrics.gateway.clone(),
            metrics.registry(),
            GatewayConfig {
                body_bytes_max: config.body_bytes_max,
                ..GatewayConfig::new(
                    runs_on.clone(),
                    Arc::clone(&readiness),
                    wire::check_new_entities,
                )
            },
        );
        Ok(Self {
            address,
            readiness,
            runs_on,
            gateway: tokio::spawn(gateway.serve(listener, gateway_stop.clone())),
            gateway_stop,
            services_stop: context.stop,
            tasks: context.tasks,
            events,
            queue,
            redis,
        })
    }

    /// The gateway's address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until the system is ready; returns which Redis it runs on.
    pub async fn ready(&self) -> ServerInfo {
        let mut runs_on = self.runs_on.clone();
        let known = runs_on.wait_for(|info| !info.version.is_empty()).await;
        let info = known.map_or_else(|_| self.runs_on.borrow().clone(), |info| info.clone());
        while !self.readiness.check().await.ready {
            tokio::time::sleep(READINESS_POLL).await;
        }
        info
    }

    /// The Redis process that was started for this system, if any.
    #[must_use]
    pub fn redis(&self) -> Option<&RedisServer> {
        self.redis.as_ref()
    }

    /// Stops: accepts no more requests, answers those in flight, finishes the batches in progress, flushes.
    pub async fn stop(self) {
        tracing::info!("stopping: no new requests, finishing those in flight");
        self.gateway_stop.cancel();
        bounded("the gateway", self.gateway).await;
        self.services_stop.cancel();
        self.tasks.close();
        bounded("the services", self.tasks.wait()).await;
        bounded("the event store", self.events.close()).await;
        bounded("the message queue", self.queue.close()).await;
        if let Some(redis) = self.redis {
            redis.stop().await;
        }
        tracing::info!("stopped");
    }
}

async fn bounded<T>(what: &str, ending: impl Future<Output = T>) {
    let limit = Duration::from_millis(DRAIN_MS_MAX);
    if tokio::time::timeout(limit, ending).await.is_err() {
        tracing::warn!("{what} did not stop within {DRAIN_MS_MAX} ms; not waiting any longer");
    }
}

/// Starts our own Redis unless one is named; returns it and the address to use.
async fn redis_of(config: &UpConfig) -> Result<(Option<RedisServer>, String), RedisServerError> {
    if let Some(url) = &config.redis_url {
        return Ok((None, url.clone()));
    }
    let dir = config.data_dir.as_deref();
    let dir = dir.unwrap_or(Path::new(DATA_DIR_DEFAULT));
    let server = RedisServer::start(dir, config.durability.unwrap_or_default()).await?;
    let url = server.url().to_owned();
    Ok((Some(server), url))
}

async fn listen(address: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| AppError::Listen {
            address,
            hint: match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "; another program listens there: stop it, or choose another port with --listen"
                }
                _ => "",
            },
            error,
        })
}
