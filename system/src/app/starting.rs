//! How a process starts: which connections its roles get, and which server it has. Must not know what a role does.

use std::io;
use std::sync::Arc;

use super::error::AppError;
use super::redis_choice::RedisChoice;
use super::roles::{Connections, Part, ROLES, Role};
use super::running::{App, Process};
use super::tcp_listener::listen;
use super::wiring::{Offer, Peers};
use crate::config::{
    API_GATEWAY_PORT, EVENT_STORE_PORT, MESSAGE_QUEUE_PORT, ProcessConfig, UpConfig,
};
use ordershop_grpc::address::ListenAddress;
use ordershop_grpc::server::{GrpcServer, ServerError};

impl App {
    /// Starts all roles in this process, connected straight to Redis. A named Redis may start later: until it answers, the gateway answers 503.
    ///
    /// # Errors
    /// The port is taken, the Redis can't be used, or our own Redis doesn't start.
    pub async fn start(config: &UpConfig) -> Result<Self, AppError> {
        // The port first: if it is taken, nothing else is started.
        let http = listen(config.listen).await?;
        let (redis, choice) = RedisChoice::of(config).await?;
        let mut process = Process::default();
        let (link, runs_on) = process.redis(&choice).await?;
        let events = process.event_store(&link, choice.asked);
        let queue = process.message_queue(&link, choice.asked.replicas);
        let connections = Connections {
            context: process.context(Arc::clone(&events), queue.clone()),
            redis: Some(link),
            projection: config.read_model.projection(),
            mail_linger: config.crm.linger(),
        };
        for role in &ROLES {
            role.start(&connections);
        }
        let (options, shown) = (&config.gateway, config.shown());
        let app = process.with_gateway(http, events, queue, runs_on, options, shown);
        Ok(Self { redis, ..app })
    }

    /// Starts one role in this process: the event store and the message queue on Redis, all others connected to these two over gRPC. What
    /// it needs may start later: until then, the process is not ready.
    ///
    /// # Errors
    /// An address, a certificate, a key or the Redis can't be used.
    pub async fn start_role(role: &Role, config: &ProcessConfig) -> Result<Self, AppError> {
        let mut process = Process::default();
        let choice = RedisChoice {
            url: config.redis_url.clone(),
            tls: config.redis_tls.files(),
            asked: config
                .replicas
                .asked(config.durability, config.partitions.wanted()),
        };
        // The address first: if it is taken, nothing else is started.
        match role.part {
            Part::EventStore => {
                let server = bind(&config.listen_or(EVENT_STORE_PORT), config).await?;
                let (link, runs_on) = process.redis(&choice).await?;
                let events = process.event_store(&link, choice.asked);
                let offer = process.offer_event_store(&events, runs_on);
                Ok(process.with_grpc(Some(server), offer, Some(events), None))
            }
            Part::MessageQueue => {
                let server = bind(&config.listen_or(MESSAGE_QUEUE_PORT), config).await?;
                let (link, _) = process.redis(&choice).await?;
                let queue = process.message_queue(&link, choice.asked.replicas);
                let offer = process.offer_message_queue(&queue);
                Ok(process.with_grpc(Some(server), offer, None, Some(queue)))
            }
            Part::ReadModel | Part::Service(_) | Part::Crm => {
                let peers = Peers::new(config)?;
                let server = match &config.listen {
                    Some(address) => Some(bind(address, config).await?),
                    None => None,
                };
                let redis = match role.part {
                    Part::ReadModel => Some(process.redis(&choice).await?.0),
                    _ => None,
                };
                let (events, queue, _) = peers.connect();
                let connections = Connections {
                    context: process.context(Arc::clone(&events), Arc::clone(&queue)),
                    redis,
                    projection: config.read_model.projection(),
                    mail_linger: config.crm.linger(),
                };
                role.start(&connections);
                Ok(process.with_grpc(server, Offer::default(), Some(events), Some(queue)))
            }
            Part::ApiGateway => {
                let peers = Peers::new(config)?;
                let http = match config.listen_or(API_GATEWAY_PORT) {
                    ListenAddress::Tcp(address) => listen(address).await?,
                    unix @ ListenAddress::Unix(_) => {
                        return Err(AppError::Server(ServerError::Listen {
                            address: unix,
                            error: io::ErrorKind::Unsupported.into(),
                            hint: "; the gateway speaks HTTP over TCP, host:port",
                        }));
                    }
                };
                let (events, queue, runs_on) = peers.connect();
                let (options, shown) = (&config.gateway, config.shown());
                Ok(process.with_gateway(http, events, queue, runs_on, options, shown))
            }
        }
    }
}

async fn bind(address: &ListenAddress, config: &ProcessConfig) -> Result<GrpcServer, ServerError> {
    GrpcServer::bind(address, &config.security()?).await
}
