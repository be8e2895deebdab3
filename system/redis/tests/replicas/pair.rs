//! A master, and a replica that is in step with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ordershop_redis::connection::RedisLink;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::metrics::AppendMetrics;
use ordershop_redis::replicas::ReplicasAsked;

use crate::redis_server::{ForeignRedis, free_port};
use crate::slow_line::SlowLine;
use crate::stage::PATIENCE;

/// One replica must have each write, and may take 300 ms.
pub const ONE: ReplicasAsked = ReplicasAsked {
    ack: 1,
    ack_timeout_ms: 300,
};

pub struct Pair {
    pub master: ForeignRedis,
    pub replica: ForeignRedis,
    /// How the replica reaches the master.
    pub line: SlowLine,
}

impl Pair {
    /// What the master sends arrives at the replica after `delay`.
    pub async fn new(delay: Duration) -> Self {
        let port = free_port();
        let master = [
            "--port",
            &port.to_string(),
            "--repl-diskless-sync-delay",
            "0",
        ];
        let master = ForeignRedis::start(&master).await;
        let line = SlowLine::to(port, delay).await;
        let replica = ["--replicaof", "127.0.0.1", &line.port.to_string()];
        let replica = ForeignRedis::start(&replica).await;
        eventually("the replica is online", async || {
            let told = master.tell(&["INFO", "replication"]).await;
            told.contains("state=online")
        })
        .await;
        // It is given nothing before its first acknowledgement, up to a second later.
        master.tell(&["SET", "given", "1"]).await;
        eventually("the replica is given what is written", async || {
            replica.tell(&["EXISTS", "given"]).await == "int(1)"
        })
        .await;
        Self {
            master,
            replica,
            line,
        }
    }

    /// A store on the master.
    pub fn store(&self, replicas: ReplicasAsked) -> Arc<RedisEventStore> {
        store_at(&self.master.url(), replicas)
    }
}

pub fn store_at(url: &str, replicas: ReplicasAsked) -> Arc<RedisEventStore> {
    let config = EventStoreConfig {
        replicas,
        ..EventStoreConfig::default()
    };
    let link = RedisLink::new(url).unwrap();
    RedisEventStore::start(link, &AppendMetrics::default(), config)
}

/// Waits until a condition holds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
