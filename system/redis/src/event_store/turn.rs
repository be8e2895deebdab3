//! A consumer's turn: one consumer of a group and partition is active, by a lease, and the others stand by. Knows nothing of what the active one
//! reads.

use std::sync::Arc;

use redis::RedisResult;

use super::config::EventStoreConfig;
use super::lease::Lease;
use super::share::Share;
use ordershop_contract::backoff::jittered;

/// A consumer's turn to be active.
pub(super) struct Turn {
    pub share: Share,
    pub consumer: String,
    pub config: Arc<EventStoreConfig>,
    pub lease: Option<Lease>,
}

impl Turn {
    /// Whether it lasts for one more blocking read. One whose partition is for another consumer ends.
    pub async fn lasts(&self) -> bool {
        match &self.lease {
            Some(lease) => {
                !self.share.is_for_another().await && lease.is_held_for(self.config.block()).await
            }
            None => false,
        }
    }

    /// Begins it if it is nobody's; otherwise waits a while.
    pub async fn begin(&mut self) -> RedisResult<bool> {
        self.lease = self.share.take(&self.consumer).await?;
        if self.lease.is_none() {
            tokio::time::sleep(jittered(self.config.standby_poll())).await;
            return Ok(false);
        }
        tracing::debug!(
            lease = self.share.lease_key,
            consumer = self.consumer,
            "active"
        );
        Ok(true)
    }

    /// Whether Redis says so too: one that went back, or another one, may have given the lease away.
    pub async fn confirm(&self) -> RedisResult<bool> {
        match &self.lease {
            Some(lease) => lease.confirm().await,
            None => Ok(false),
        }
    }

    /// Ends it: the lease is released at once, if nothing is read under it any more.
    pub async fn end(&mut self, nothing_is_read: bool) {
        if let Some(lease) = self.lease.take()
            && nothing_is_read
            && !lease.is_lost()
        {
            lease.release().await;
        }
    }
}
