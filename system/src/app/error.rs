//! The errors that keep the system from starting.

use std::net::SocketAddr;

use ordershop_grpc::peer::PeerError;
use ordershop_grpc::server::ServerError;
use ordershop_redis::address::AddressError;
use ordershop_redis::requirements::Unfit;
use ordershop_redis::server::RedisServerError;

/// Why the system didn't start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Listening on the address failed.
    #[error("can't listen on {address}: {error}{hint}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's error.
        error: std::io::Error,
        /// What the user can do; empty if unknown.
        hint: &'static str,
    },
    /// The Redis address can't be used.
    #[error(transparent)]
    RedisUrl(#[from] AddressError),
    /// The Redis can't carry the shop.
    #[error(transparent)]
    RedisUnfit(#[from] Unfit),
    /// Our own Redis didn't start.
    #[error(transparent)]
    RedisServer(#[from] RedisServerError),
    /// Replicas are asked for, and no Redis that may have some is named.
    #[error(
        "a private Redis has no replicas, and --replicas-ack asks for some: name a Redis that has them with --redis-url"
    )]
    NoReplicas,
    /// A server's address, certificate or token can't be used.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A peer's address can't be used.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The supervisor could not start its processes.
    #[error("can't start the processes: {0}")]
    Processes(std::io::Error),
}
