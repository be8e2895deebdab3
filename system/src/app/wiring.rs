//! How a process opens the connections of its roles, and its server. Knows every implementation of the two traits.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::server::NamedService;
use tonic::service::Routes;

use super::error::AppError;
use super::peer_readiness::PeerReadiness;
use super::running::{App, Process, Server};
use crate::build::BUILD;
use crate::config::{GatewayOptions, ProcessConfig};
use crate::open_files;
use ordershop_contract::event_store::{EventStore, ServerInfo};
use ordershop_contract::message_queue::MessageQueue;
use ordershop_contract::partition::Partitions;
use ordershop_contract::readiness::{Readiness, StoreReadiness};
use ordershop_contract::wire;
use ordershop_contract::worker::ServiceContext;
use ordershop_gateway::{Gateway, GatewayConfig};
use ordershop_grpc::event_store::{client::GrpcEventStore, server::EventStoreService};
use ordershop_grpc::message_queue::{client::GrpcMessageQueue, server::MessageQueueService};
use ordershop_grpc::peer::{PeerChannel, PeerConfig, connect_trusting};
use ordershop_grpc::security::read_authority;
use ordershop_grpc::server::{GrpcServer, ServerError};
use ordershop_original::{OriginalEventStore, OriginalMessageQueue};
use ordershop_redis::connection::RedisLink;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use ordershop_redis::replicas::ReplicasAsked;
use ordershop_redis::requirements::Asked;

/// What a process serves over gRPC.
#[derive(Default)]
pub(super) struct Offer {
    routes: Routes,
    /// The services' full names.
    names: Vec<&'static str>,
}

impl Process {
    /// Opens the event store on Redis.
    pub(super) fn event_store(&self, link: &RedisLink, asked: Asked) -> Arc<dyn EventStore> {
        let config = EventStoreConfig {
            replicas: asked.replicas,
            partitions: asked.partitions,
            ..EventStoreConfig::default()
        };
        RedisEventStore::start(link.clone(), &self.metrics.appends, config)
    }

    /// Opens the message queue on Redis.
    pub(super) fn message_queue(
        &self,
        link: &RedisLink,
        replicas: ReplicasAsked,
    ) -> Arc<RedisMessageQueue> {
        let metrics = self.metrics.queues.clone();
        let config = QueueConfig {
            replicas,
            ..QueueConfig::default()
        };
        RedisMessageQueue::start(link.clone(), metrics, config)
    }

    /// What services are connected to.
    pub(super) fn context(
        &self,
        events: Arc<dyn EventStore>,
        queue: Arc<dyn MessageQueue>,
    ) -> ServiceContext {
        ServiceContext {
            queue,
            events,
            metrics: self.metrics.queues.clone(),
            instance: uuid::Uuid::now_v7().simple().to_string(),
            stop: self.stop.clone(),
            tasks: self.tasks.clone(),
        }
    }

    /// Offers an event store, in our own contract and in the first OrderShop's.
    pub(super) fn offer_event_store(
        &self,
        store: &Arc<dyn EventStore>,
        runs_on: watch::Receiver<ServerInfo>,
    ) -> Offer {
        let own = EventStoreService::new(Arc::clone(store), runs_on, self.drain.clone());
        let original = OriginalEventStore::new(Arc::clone(store), self.drain.clone());
        let (own, original) = (own.into_server(), original.into_server());
        Offer {
            names: vec![name_of(&own), name_of(&original)],
            routes: Routes::new(own).add_service(original),
        }
    }

    /// Offers a message queue, in our own contract and in the first OrderShop's.
    pub(super) fn offer_message_queue(&self, queue: &Arc<RedisMessageQueue>) -> Offer {
        let own = MessageQueueService::new(Arc::clone(queue) as _, self.drain.clone());
        let original = OriginalMessageQueue::new(Arc::clone(queue) as _, self.drain.clone());
        let (own, original) = (own.into_server(), original.into_server());
        Offer {
            names: vec![name_of(&own), name_of(&original)],
            routes: Routes::new(own).add_service(original),
        }
    }

    /// The whole process, with a gRPC server where it listens.
    pub(super) fn with_grpc(
        self,
        server: Option<GrpcServer>,
        offer: Offer,
        events: Option<Arc<dyn EventStore>>,
        queue: Option<Arc<dyn MessageQueue>>,
    ) -> App {
        let readiness: Arc<dyn Readiness> = Arc::new(PeerReadiness {
            events: events.clone(),
            queue: queue.clone(),
        });
        let server = server.map(|server| {
            let descriptors = ordershop_original::proto::DESCRIPTORS;
            let (readiness, metrics) = (Arc::clone(&readiness), self.metrics.registry());
            let (url, drain) = (server.url(), self.drain.clone());
            let serving = server.serve(
                offer.routes,
                offer.names,
                descriptors,
                readiness,
                metrics,
                drain,
            );
            Server {
                url,
                serving: tokio::spawn(serving),
            }
        });
        App {
            process: self,
            events,
            queue,
            runs_on: None,
            readiness,
            server,
            redis: None,
        }
    }

    /// The whole process, with the gateway as its server.
    pub(super) fn with_gateway(
        self,
        (listener, address): (TcpListener, SocketAddr),
        events: Arc<dyn EventStore>,
        queue: Arc<dyn MessageQueue>,
        runs_on: watch::Receiver<ServerInfo>,
        options: &GatewayOptions,
        shown: Value,
    ) -> App {
        let readiness: Arc<dyn Readiness> =
            Arc::new(StoreReadiness::new(Arc::clone(&queue), Arc::clone(&events)));
        let config = GatewayConfig {
            body_bytes_max: options.body_bytes_max,
            strangers: options.strangers(),
            options: shown,
            ..GatewayConfig::new(
                runs_on.clone(),
                Arc::clone(&readiness),
                BUILD,
                wire::check_new_entities,
            )
        }
        .within_files(open_files::limit());
        let gateway = Gateway::new(
            Arc::clone(&queue),
            Arc::clone(&events),
            self.metrics.gateway.clone(),
            self.metrics.registry(),
            config,
        );
        let serving = tokio::spawn(gateway.serve(listener, self.drain.clone()));
        App {
            process: self,
            events: Some(events),
            queue: Some(queue),
            runs_on: Some(runs_on),
            readiness,
            server: Some(Server {
                url: format!("http://{address}"),
                serving,
            }),
            redis: None,
        }
    }
}

fn name_of<S: NamedService>(_: &S) -> &'static str {
    S::NAME
}

/// The event store and the message queue in other processes.
pub(super) struct Peers {
    events: PeerChannel,
    queue: PeerChannel,
    partitions: Partitions,
}

impl Peers {
    /// Nothing is connected yet.
    pub(super) fn new(config: &ProcessConfig) -> Result<Self, AppError> {
        let authority = read_authority(config.tls_ca.as_deref()).map_err(ServerError::from)?;
        let peer = |url: &str| {
            let peer = PeerConfig {
                url: url.to_owned(),
                token: config.token.clone(),
            };
            connect_trusting(&peer, authority.as_deref())
        };
        Ok(Self {
            events: peer(&config.event_store_url)?,
            queue: peer(&config.message_queue_url)?,
            partitions: config.partitions.wanted(),
        })
    }

    /// Connects to both.
    pub(super) fn connect(
        self,
    ) -> (
        Arc<dyn EventStore>,
        Arc<dyn MessageQueue>,
        watch::Receiver<ServerInfo>,
    ) {
        let events = GrpcEventStore::start(self.events, self.partitions);
        let runs_on = events.runs_on();
        (events, GrpcMessageQueue::start(self.queue), runs_on)
    }
}
