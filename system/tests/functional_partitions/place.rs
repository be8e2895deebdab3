//! Where a shop's data lie: on a cluster of three masters with a replica each.

use crate::cluster_server::RedisCluster;
use crate::deployment::Deployment;

pub struct Place(RedisCluster);

impl Place {
    pub async fn new() -> Self {
        // No node is taken for dead because others need the processor.
        let more = ["--cluster-node-timeout", "60000", "--appendonly", "yes"];
        Self(RedisCluster::start(true, &more).await)
    }

    /// Starts the system there, and waits until it is ready.
    pub async fn deploy(&self) -> Deployment {
        Deployment::on(&self.0.url()).await
    }
}
