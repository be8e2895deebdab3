//! The errors that keep the system from starting.

use std::net::SocketAddr;

use ordershop_contract::message_queue::QueueError;
use ordershop_grpc::peer::PeerError;
use ordershop_grpc::server::ServerError;
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
    #[error("the Redis address {url:?} can't be used: {error}")]
    RedisUrl {
        /// The address.
        url: String,
        /// What the Redis client says.
        error: redis::RedisError,
    },
    /// Our own Redis didn't start.
    #[error(transparent)]
    RedisServer(#[from] RedisServerError),
    /// A server's address, certificate or token can't be used.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A peer's address can't be used.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The supervisor could not start its processes.
    #[error("can't start the processes: {0}")]
    Processes(std::io::Error),
    /// The message queue didn't start.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl AppError {
    /// The error of a Redis address that can't be used.
    pub(super) fn redis_url(url: &str, error: redis::RedisError) -> Self {
        Self::RedisUrl {
            url: url.to_owned(),
            error,
        }
    }
}
