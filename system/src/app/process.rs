//! Runs one service as a process, connected to the event store and the message queue over gRPC.

use std::io;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::server::NamedService;
use tonic::service::Routes;

use super::reach::Reach;
use super::{AppError, bounded, listen, roles};
use crate::config::ProcessConfig;
use crate::telemetry::Metrics;
use ordershop_contract::event_store::EventStore;
use ordershop_contract::message_queue::MessageQueue;
use ordershop_contract::readiness::{Readiness, StoreReadiness};
use ordershop_contract::wire;
use ordershop_contract::worker::ServiceContext;
use ordershop_gateway::{Gateway, GatewayConfig};
use ordershop_grpc::address::ListenAddress;
use ordershop_grpc::event_store::{client::GrpcEventStore, server::EventStoreService};
use ordershop_grpc::message_queue::{client::GrpcMessageQueue, server::MessageQueueService};
use ordershop_grpc::peer::{PeerConfig, connect_trusting};
use ordershop_grpc::security::read_authority;
use ordershop_grpc::server::{GrpcServer, ServerError};
use ordershop_original::{OriginalEventStore, OriginalMessageQueue};
use ordershop_read_model::{self as read_model, PlantedCpuCost};
use ordershop_redis::connection::RedisLink;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::info;
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};

/// A running service's process.
pub struct Process {
    url: Option<String>,
    readiness: Arc<dyn Readiness>,
    serving: Option<JoinHandle<()>>,
    drain: CancellationToken,
    stop: CancellationToken,
    tasks: TaskTracker,
    connections: Connections,
}

/// The connections, which are closed last.
enum Connections {
    EventStore(Arc<RedisEventStore>),
    MessageQueue(Arc<RedisMessageQueue>),
    Peers(Arc<GrpcEventStore>, Arc<GrpcMessageQueue>),
}

impl Process {
    /// Starts the service of this name. The processes that it needs need not be up yet: until they are, this one is not ready.
    ///
    /// # Errors
    /// An address, a certificate or a key can't be used.
    pub async fn start(name: &str, config: &ProcessConfig) -> Result<Self, AppError> {
        match name {
            roles::EVENT_STORE => event_store(config).await,
            roles::MESSAGE_QUEUE => message_queue(config).await,
            _ => service(name, config).await,
        }
    }

    /// The process's address, if it listens.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Waits until the process is ready.
    pub async fn ready(&self) {
        while !self.readiness.check().await.ready {
            tokio::time::sleep(super::READINESS_POLL).await;
        }
    }

    /// Stops: takes no new work, finishes what is in progress, closes the connections.
    pub async fn stop(self) {
        self.drain.cancel();
        if let Some(serving) = self.serving {
            bounded("the server", serving).await;
        }
        self.stop.cancel();
        self.tasks.close();
        bounded("the service", self.tasks.wait()).await;
        match self.connections {
            Connections::EventStore(store) => bounded("the event store", store.close()).await,
            Connections::MessageQueue(queue) => bounded("the message queue", queue.close()).await,
            Connections::Peers(events, queue) => {
                bounded("the event store's client", events.close()).await;
                bounded("the message queue's client", queue.close()).await;
            }
        }
    }
}

fn name_of<S: NamedService>(_: &S) -> &'static str {
    S::NAME
}

fn redis_link(config: &ProcessConfig) -> Result<RedisLink, AppError> {
    RedisLink::new(&config.redis_url).map_err(|error| bad_redis(config, error))
}

fn bad_redis(config: &ProcessConfig, error: redis::RedisError) -> AppError {
    AppError::RedisUrl {
        url: config.redis_url.clone(),
        error,
    }
}

async fn bind(config: &ProcessConfig, default: &str) -> Result<GrpcServer, AppError> {
    let address = match &config.listen {
        Some(address) => address.clone(),
        None => default.parse().expect("the default is well-formed"),
    };
    Ok(GrpcServer::bind(&address, &config.security()?).await?)
}

/// Serves until `drain` is cancelled and requests in flight have ended.
fn serve(
    server: GrpcServer,
    routes: Routes,
    names: Vec<&'static str>,
    readiness: &Arc<dyn Readiness>,
    metrics: &Metrics,
    drain: &CancellationToken,
) -> JoinHandle<()> {
    let (shown, metrics, drain) = (Arc::clone(readiness), metrics.registry(), drain.clone());
    tokio::spawn(async move {
        let descriptors = ordershop_original::proto::DESCRIPTORS;
        server
            .serve(routes, names, descriptors, shown, metrics, drain)
            .await;
    })
}

async fn event_store(config: &ProcessConfig) -> Result<Process, AppError> {
    let server = bind(config, EVENT_STORE_LISTEN).await?;
    let link = redis_link(config)?;
    let (metrics, drain) = (Metrics::default(), CancellationToken::new());
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let store = RedisEventStore::start(link.clone(), &metrics.appends, EventStoreConfig::default())
        .map_err(|error| bad_redis(config, error))?;
    let runs_on = info::watch(&stop, &tasks, link, config.durability);
    let events = Arc::clone(&store) as Arc<dyn EventStore>;
    let own = EventStoreService::new(Arc::clone(&events), runs_on, drain.clone()).into_server();
    let original = OriginalEventStore::new(Arc::clone(&events), drain.clone()).into_server();
    let names = vec![name_of(&own), name_of(&original)];
    let readiness: Arc<dyn Readiness> = Arc::new(Reach {
        events: Some(events),
        queue: None,
    });
    let routes = Routes::new(own).add_service(original);
    let url = server.url();
    let serving = serve(server, routes, names, &readiness, &metrics, &drain);
    Ok(Process {
        url: Some(url),
        readiness,
        serving: Some(serving),
        drain,
        stop,
        tasks,
        connections: Connections::EventStore(store),
    })
}

async fn message_queue(config: &ProcessConfig) -> Result<Process, AppError> {
    let server = bind(config, MESSAGE_QUEUE_LISTEN).await?;
    let link = redis_link(config)?;
    let (metrics, drain) = (Metrics::default(), CancellationToken::new());
    let queue = RedisMessageQueue::start(link, metrics.queues.clone(), QueueConfig::default())?;
    let own = MessageQueueService::new(Arc::clone(&queue) as _, drain.clone()).into_server();
    let original = OriginalMessageQueue::new(Arc::clone(&queue) as _, drain.clone()).into_server();
    let names = vec![name_of(&own), name_of(&original)];
    let reached = Arc::clone(&queue) as Arc<dyn MessageQueue>;
    let readiness: Arc<dyn Readiness> = Arc::new(Reach {
        events: None,
        queue: Some(reached),
    });
    let routes = Routes::new(own).add_service(original);
    let url = server.url();
    let serving = serve(server, routes, names, &readiness, &metrics, &drain);
    Ok(Process {
        url: Some(url),
        readiness,
        serving: Some(serving),
        drain,
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
        connections: Connections::MessageQueue(queue),
    })
}

/// The event store's default address.
pub const EVENT_STORE_LISTEN: &str = "127.0.0.1:5001";
/// The message queue's default address.
pub const MESSAGE_QUEUE_LISTEN: &str = "127.0.0.1:5002";
/// The gateway's default address.
pub const API_GATEWAY_LISTEN: &str = "127.0.0.1:5000";

async fn service(name: &str, config: &ProcessConfig) -> Result<Process, AppError> {
    let authority = read_authority(config.tls_ca.as_deref()).map_err(ServerError::from)?;
    let peer = |url: &str| {
        let peer = PeerConfig {
            url: url.to_owned(),
            token: config.token.clone(),
        };
        connect_trusting(&peer, authority.as_deref())
    };
    let (event_peer, queue_peer) = (
        peer(&config.event_store_url)?,
        peer(&config.message_queue_url)?,
    );
    // The addresses first: if one is taken, nothing else should have been started.
    let gateway_listener = if name == roles::API_GATEWAY {
        Some(gateway_listener(config).await?)
    } else {
        None
    };
    let server = match (&gateway_listener, &config.listen) {
        (None, Some(address)) => Some(GrpcServer::bind(address, &config.security()?).await?),
        _ => None,
    };
    let events = GrpcEventStore::start(event_peer);
    let queue = GrpcMessageQueue::start(queue_peer);
    let (metrics, drain) = (Metrics::default(), CancellationToken::new());
    let context = ServiceContext {
        queue: Arc::clone(&queue) as Arc<dyn MessageQueue>,
        events: Arc::clone(&events) as Arc<dyn EventStore>,
        metrics: metrics.queues.clone(),
        instance: uuid::Uuid::now_v7().simple().to_string(),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    let mut readiness: Arc<dyn Readiness> = Arc::new(Reach {
        events: Some(Arc::clone(&context.events)),
        queue: Some(Arc::clone(&context.queue)),
    });
    let mut url = server.as_ref().map(GrpcServer::url);
    let mut serving = server.map(|server| {
        let routes = Routes::default();
        serve(server, routes, Vec::new(), &readiness, &metrics, &drain)
    });
    if let Some(listener) = gateway_listener {
        url = listener
            .local_addr()
            .ok()
            .map(|address| format!("http://{address}"));
        readiness = Arc::new(StoreReadiness::new(
            Arc::clone(&context.queue),
            Arc::clone(&context.events),
        ));
        let limits = GatewayConfig {
            body_bytes_max: config.body_bytes_max,
            ..GatewayConfig::new(
                events.runs_on(),
                Arc::clone(&readiness),
                wire::check_new_entities,
            )
        };
        let (queue, events) = (Arc::clone(&context.queue), Arc::clone(&context.events));
        let gateway = Gateway::new(
            queue,
            events,
            metrics.gateway.clone(),
            metrics.registry(),
            limits,
        );
        serving = Some(tokio::spawn(gateway.serve(listener, drain.clone())));
    } else if name == roles::READ_MODEL {
        let burn = PlantedCpuCost::us_per_event(config.burn_us_per_event);
        let started = read_model::start(&context, &redis_link(config)?, burn);
        started.map_err(|error| bad_redis(config, error))?;
    } else if let Some(service) = roles::SERVICES.iter().find(|service| service.name == name) {
        (service.start)(&context);
    }
    Ok(Process {
        url,
        readiness,
        serving,
        drain,
        stop: context.stop,
        tasks: context.tasks,
        connections: Connections::Peers(events, queue),
    })
}

async fn gateway_listener(config: &ProcessConfig) -> Result<tokio::net::TcpListener, AppError> {
    match &config.listen {
        Some(ListenAddress::Tcp(address)) => listen(*address).await,
        Some(unix @ ListenAddress::Unix(_)) => Err(AppError::Server(ServerError::Listen {
            address: unix.clone(),
            error: io::ErrorKind::Unsupported.into(),
            hint: "; the gateway serves HTTP over TCP only: give host:port",
        })),
        None => {
            listen(
                API_GATEWAY_LISTEN
                    .parse()
                    .expect("the default is well-formed"),
            )
            .await
        }
    }
}
