//! Why the system didn't start.

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
    /// For this Redis address.
    pub(super) fn redis_url(url: &str, error: redis::RedisError) -> Self {
        Self::RedisUrl {
            url: url.to_owned(),
            error,
        }
    }
}
