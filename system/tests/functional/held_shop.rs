//! A shop some of whose sagas don't read until they are let: a test holds their lease before the shop starts. The test also sees the events,
//! and makes them come again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Method;
use ordershop_contract::event_store::{EventStore, RecordedEvent};
use ordershop_contract::partition::Partitions;
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_redis::connection::{MultiplexedConnection, RedisLink};
use ordershop_redis::durability::Durability;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::metrics::AppendMetrics;
use ordershop_redis::server::RedisServer;
use serde_json::json;
use tempfile::TempDir;

use crate::customer::{Customer, EVENTUALLY_MS};
use crate::foreign_service::ForeignService;
use crate::shop::Shop;

/// More events than a topic of these tests has.
const EVENTS_MAX: usize = 1_000;

/// A shop some of whose sagas don't read until they are let.
pub struct HeldShop {
    redis: RedisServer,
    connection: MultiplexedConnection,
    store: Arc<dyn EventStore>,
    shop: Shop,
    pub foreign: ForeignService,
    _dir: TempDir,
}

impl HeldShop {
    /// Holds a group's lease on a topic before the shop starts.
    pub async fn open(held: Option<(Topic, &str)>) -> Self {
        let dir = TempDir::new().unwrap();
        let redis = RedisServer::start(dir.path(), Durability::None);
        let redis = redis.await.unwrap();
        let link = RedisLink::new(redis.url()).unwrap();
        let mut connection = link.dedicated().await.unwrap();
        for lease in held.map_or_else(Vec::new, |(topic, group)| leases(topic, group)) {
            let mut hold = redis::cmd("SET");
            hold.arg(lease).arg("a test");
            hold.exec_async(&mut connection).await.unwrap();
        }
        let metrics = AppendMetrics::default();
        let config = EventStoreConfig {
            partitions: partitions(),
            ..EventStoreConfig::default()
        };
        Self {
            connection,
            store: RedisEventStore::start(link, &metrics, config),
            shop: Shop::open_on(redis.url()).await,
            foreign: ForeignService::on(redis.url()),
            redis,
            _dir: dir,
        }
    }

    pub fn http(&self) -> &Customer {
        &self.shop.customer
    }

    /// Lets a group read.
    pub async fn let_go(&mut self, topic: Topic, group: &str) {
        let mut release = redis::cmd("DEL");
        release.arg(leases(topic, group));
        release.exec_async(&mut self.connection).await.unwrap();
    }

    /// Everything that happened to an aggregate.
    pub async fn history(&self, topic: Topic, id: &str) -> Vec<RecordedEvent> {
        let mut history = Vec::new();
        for partition in partitions().of_topic(topic) {
            let events = self.store.read(partition, Position::START, EVENTS_MAX);
            let events = events.await.unwrap();
            assert!(events.len() < EVENTS_MAX);
            history.extend(events.into_iter().filter(|event| event.entity_id == id));
        }
        history
    }

    /// Makes an event a dead letter of a group, sends it again, and waits until the group has handled all.
    pub async fn comes_again(&mut self, event: &RecordedEvent, group: &str) {
        let topic = event.partition;
        let mut bury = redis::cmd("XADD");
        bury.arg(format!("dead:{{{topic}}}:{group}")).arg("*");
        bury.arg(&["position", &event.position.to_string(), "reason", "a test"]);
        let letter: String = bury.query_async(&mut self.connection).await.unwrap();
        let resend = format!("/dead-letters/{topic}:{group}:{letter}/resend");
        let resent = self.http().raw(Method::POST, &resend, "").await;
        assert_eq!(resent.result(), &json!(true));
        self.becomes_idle(group).await;
    }

    /// Waits until a group has handled all events.
    pub async fn becomes_idle(&self, group: &str) {
        let deadline = Instant::now() + Duration::from_millis(EVENTUALLY_MS);
        loop {
            let groups = self.store.groups().await.unwrap();
            let busy = groups.iter().any(|status| {
                status.group == group && (status.pending > 0 || status.undelivered != Some(0))
            });
            if !busy {
                return;
            }
            assert!(Instant::now() < deadline, "{groups:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Orders one of five pieces of a product, at 300 each.
    pub async fn order(&self) -> String {
        let http = self.http();
        let product = http.product(300, 5).await;
        let cart = http.cart(&http.customer().await, &[&product]).await;
        http.order(&cart).await
    }

    pub async fn close(self) {
        self.store.close().await;
        self.shop.close().await;
        self.redis.stop().await;
    }
}

fn partitions() -> Partitions {
    Partitions::new(crate::PARTITIONS).unwrap()
}

fn leases(topic: Topic, group: &str) -> Vec<String> {
    let all = partitions().of_topic(topic);
    all.map(|partition| format!("lease:{{{partition}}}:{group}"))
        .collect()
}
