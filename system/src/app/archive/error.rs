//! Why an archive, a backup or a restoration ended.

use ordershop_contract::event_store::EventStoreError;
use ordershop_redis::address::AddressError;
use ordershop_redis::event_store::restoring::RestorationError;
use ordershop_redis::server::RedisServerError;

use super::lines::FileError;

/// Why one of them ended.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file can't be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The address of Redis can't be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Redis is away, or refuses a command.
    #[error("Redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// The event store is away.
    #[error(transparent)]
    EventStore(#[from] EventStoreError),
    /// A private Redis can't be started.
    #[error(transparent)]
    Server(#[from] RedisServerError),
    /// The streams can't be restored.
    #[error(transparent)]
    Restoration(#[from] RestorationError),
    /// It isn't the place for that, in words.
    #[error("{0}")]
    Refused(String),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}
