//! A consumer's turn: one consumer of a group and topic is active, by a lease, and the others stand by. Knows nothing of what the active one
//! reads.

use std::sync::Arc;

use redis::RedisResult;

use super::config::EventStoreConfig;
use super::lease::Lease;
use crate::shared_connection::SharedConnection;
use ordershop_contract::backoff::jittered;

/// A consumer's turn to be active.
pub(super) struct Turn {
    /// The connection for the lease.
    pub leases: SharedConnection,
    pub lease_key: String,
    pub consumer: String,
    pub config: Arc<EventStoreConfig>,
    pub lease: Option<Lease>,
}

impl Turn {
    /// Whether it lasts for one more blocking read.
    pub async fn lasts(&self) -> bool {
        match &self.lease {
            Some(lease) => lease.is_held_for(self.config.block()).await,
            None => false,
        }
    }

    /// Begins it if it is nobody's; otherwise waits a while.
    pub async fn begin(&mut self) -> RedisResult<bool> {
        let (key, ttl) = (&self.lease_key, self.config.lease_ttl());
        self.lease = Lease::acquire(self.leases.clone(), key, &self.consumer, ttl).await?;
        if self.lease.is_none() {
            tokio::time::sleep(jittered(self.config.standby_poll())).await;
            return Ok(false);
        }
        tracing::debug!(lease = key, consumer = self.consumer, "active");
        Ok(true)
    }

    /// Whether Redis says so too: one that went back, or another one, may have given the lease away.
    pub async fn confirm(&self) -> RedisResult<bool> {
        match &self.lease {
            Some(lease) => lease.confirm().await,
            None => Ok(false),
        }
    }
}
