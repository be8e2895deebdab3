//! Whose a partition is, of those that share a topic's partitions: the consumers of a group, or the event stores. Who is there decides who takes the
//! lease, the lease decides who is active. Where a topic has one partition, whoever comes first has it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::RedisResult;
use tokio_util::sync::CancellationToken;

use super::lease::Lease;
use super::members::Members;
use crate::shared_connection::SharedConnection;

/// One's share in a topic, as seen from one of its partitions.
pub(super) struct Share {
    /// The connection for leases.
    pub leases: SharedConnection,
    /// The partition's lease.
    pub lease_key: String,
    pub lease_ttl: Duration,
    /// Who shares; `None` where there is nothing to share.
    pub members: Option<Arc<Members>>,
    /// The partition's number.
    pub number: u8,
    /// Since when the partition is for another one that doesn't take it.
    pub untaken: Option<Instant>,
}

impl Share {
    /// Whether the partition is for another one that is there.
    pub async fn is_for_another(&self) -> bool {
        match &self.members {
            Some(members) => members.is_for_another(self.number).await,
            None => false,
        }
    }

    /// Takes the lease if it is free, and the partition is one's own, or that of another one which has left it alone for two lease times.
    pub async fn take(&mut self, owner: &str) -> RedisResult<Option<Lease>> {
        match self.may_take().await? {
            true => {
                let leases = self.leases.clone();
                Lease::acquire(leases, &self.lease_key, owner, self.lease_ttl).await
            }
            false => Ok(None),
        }
    }

    async fn may_take(&mut self) -> RedisResult<bool> {
        let Some(members) = &self.members else {
            return Ok(true);
        };
        if !members.is_for_another(self.number).await {
            self.untaken = None;
            return Ok(true);
        }
        let mut exists = redis::cmd("EXISTS");
        exists.arg(&self.lease_key);
        if exists.query_async(&mut self.leases.clone()).await? {
            self.untaken = None;
            return Ok(false);
        }
        // It may just have gone.
        members.ask_again().await;
        let since = *self.untaken.get_or_insert_with(Instant::now);
        Ok(since.elapsed() >= self.lease_ttl * 2)
    }

    /// Watches whether the partition becomes another one's, as long as it is polled; then cancels `lost`.
    pub fn watch(&self, lost: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
        let (members, number, every) = (self.members.clone(), self.number, self.lease_ttl / 3);
        async move {
            let Some(members) = members else { return };
            while !members.is_for_another(number).await {
                tokio::time::sleep(every).await;
            }
            lost.cancel();
        }
    }
}
