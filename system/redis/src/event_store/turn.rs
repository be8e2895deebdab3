//! A consumer's turn: one consumer of a group and partition is active, by a lease, and the others stand by. Where a topic has several partitions,
//! the group's consumers share them. Knows nothing of what the active one reads.

use std::sync::Arc;
use std::time::Instant;

use redis::RedisResult;

use super::config::EventStoreConfig;
use super::lease::Lease;
use super::members::Members;
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
    /// The group's consumers, where there are partitions to share.
    pub members: Option<Arc<Members>>,
    /// The partition's number.
    pub number: u8,
    /// Since when the partition is for another consumer that doesn't take it.
    pub untaken: Option<Instant>,
}

impl Turn {
    /// Whether it lasts for one more blocking read. One whose partition is for another consumer ends.
    pub async fn lasts(&self) -> bool {
        match &self.lease {
            Some(lease) => {
                !self.is_for_another().await && lease.is_held_for(self.config.block()).await
            }
            None => false,
        }
    }

    async fn is_for_another(&self) -> bool {
        match &self.members {
            Some(members) => members.is_for_another(self.number).await,
            None => false,
        }
    }

    /// Begins it if it is nobody's; otherwise waits a while.
    pub async fn begin(&mut self) -> RedisResult<bool> {
        let may_begin = self.may_begin().await?;
        let (key, ttl) = (&self.lease_key, self.config.lease_ttl());
        self.lease = match may_begin {
            true => Lease::acquire(self.leases.clone(), key, &self.consumer, ttl).await?,
            false => None,
        };
        if self.lease.is_none() {
            tokio::time::sleep(jittered(self.config.standby_poll())).await;
            return Ok(false);
        }
        tracing::debug!(lease = key, consumer = self.consumer, "active");
        Ok(true)
    }

    /// Whether the partition is for this consumer, or for one that has left it alone for two lease times.
    async fn may_begin(&mut self) -> RedisResult<bool> {
        if !self.is_for_another().await {
            self.untaken = None;
            return Ok(true);
        }
        let mut exists = redis::cmd("EXISTS");
        exists.arg(&self.lease_key);
        if exists.query_async(&mut self.leases.clone()).await? {
            self.untaken = None;
            return Ok(false);
        }
        let since = *self.untaken.get_or_insert_with(Instant::now);
        Ok(since.elapsed() >= self.config.lease_ttl() * 2)
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
