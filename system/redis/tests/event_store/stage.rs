//! The set-up that the tests share: a Redis for each test, stores on it, and events to append.

use std::sync::Arc;
use std::time::Duration;

use ordershop_contract::correlation::Correlation;
use ordershop_contract::event_store::{
    Appended, Claim, EventStore, EventSubscription, ExpectedVersion, NewEvent, RecordedEvent,
    SubscribeRequest, Transaction,
};
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::metrics::AppendMetrics;
use ordershop_redis::server::RedisServer;

/// The timeout of every condition; far longer than any should take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A Redis for one test.
pub struct Stage {
    pub server: RedisServer,
    pub metrics: AppendMetrics,
    pub dir: tempfile::TempDir,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with_durability(Durability::None).await
    }

    pub async fn with_durability(durability: Durability) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = RedisServer::start(dir.path(), durability).await.unwrap();
        Self {
            server,
            metrics: AppendMetrics::default(),
            dir,
        }
    }

    /// Keeps the data as they are now for [`Stage::go_back`].
    pub async fn save(&self) {
        let _: String = self.redis(&["SAVE"]).await;
    }

    /// Kills the server; it comes back with the data as they were saved.
    pub async fn go_back(&mut self) {
        self.kill_and_start(Durability::None).await;
    }

    /// Kills the server and starts one on what it leaves.
    pub async fn kill_and_start(&mut self, durability: Durability) {
        self.signal("KILL");
        let dir = self.dir.path().to_owned();
        self.server = RedisServer::start(&dir, durability).await.unwrap();
    }

    /// Sends the server's process a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.server.pid().unwrap().to_string();
        let kill = std::process::Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
        assert!(kill.unwrap().success());
    }

    pub fn store(&self) -> Arc<RedisEventStore> {
        self.store_with(EventStoreConfig::default())
    }

    pub fn store_with(&self, config: EventStoreConfig) -> Arc<RedisEventStore> {
        RedisEventStore::start(self.link(), &self.metrics, config)
    }

    pub fn link(&self) -> RedisLink {
        RedisLink::new(self.server.url()).unwrap()
    }

    /// Sends a command directly to Redis.
    pub async fn redis<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection = self.link().dedicated().await.unwrap();
        let mut cmd = redis::cmd(command[0]);
        for arg in &command[1..] {
            cmd.arg(*arg);
        }
        cmd.query_async(&mut connection).await.unwrap()
    }
}

pub fn event(event_id: &str, entity_id: &str, expected: ExpectedVersion) -> NewEvent {
    NewEvent {
        event_id: event_id.into(),
        action: "entity_updated".into(),
        entity_id: entity_id.into(),
        expected,
        data: serde_json::value::to_raw_value(&serde_json::json!({ "entity_id": entity_id }))
            .unwrap(),
        correlation: Correlation {
            correlation_id: format!("correlation of {event_id}"),
            causation_id: format!("cause of {event_id}"),
            times: None,
        },
    }
}

pub fn transaction(events: Vec<NewEvent>) -> Transaction {
    Transaction::of(Topic::Order, events)
}

pub fn claiming(events: Vec<NewEvent>, claims: Vec<Claim>) -> Transaction {
    Transaction {
        claims,
        ..transaction(events)
    }
}

/// Appends a transaction of one event.
pub async fn append_one(
    store: &impl EventStore,
    event_id: &str,
    entity_id: &str,
    expected: ExpectedVersion,
) -> Appended {
    append(
        store,
        transaction(vec![event(event_id, entity_id, expected)]),
    )
    .await
}

pub async fn append(store: &impl EventStore, transaction: Transaction) -> Appended {
    store.append(vec![transaction]).await.unwrap().remove(0)
}

/// Appends `e0`, `e1`, … to one aggregate each.
pub async fn append_many(store: &impl EventStore, count: usize) {
    let transactions = (0..count).map(|n| {
        let (id, aggregate) = (format!("e{n}"), format!("a{n}"));
        transaction(vec![event(&id, &aggregate, ExpectedVersion::NoStream)])
    });
    let answers = store.append(transactions.collect()).await.unwrap();
    assert!(answers.iter().all(is_committed));
}

pub fn is_committed(answer: &Appended) -> bool {
    matches!(answer, Appended::Committed { .. })
}

/// All events of the topic.
pub async fn all_events(store: &impl EventStore) -> Vec<RecordedEvent> {
    let mut events: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = events.last().map_or(Position::START, |e| e.position);
        let page = store.read(Topic::Order.into(), after, 1_000).await.unwrap();
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

pub async fn subscribe(
    store: &impl EventStore,
    consumer: &str,
    batch_max: usize,
) -> Box<dyn EventSubscription> {
    let request = SubscribeRequest {
        group: "test-service".to_owned(),
        partition: Topic::Order.into(),
        consumer: consumer.into(),
        batch_max,
    };
    store.subscribe(request).await.unwrap()
}

/// The next batch's event ids, and their positions.
pub async fn next(subscription: &mut Box<dyn EventSubscription>) -> (Vec<String>, Vec<Position>) {
    let batch = tokio::time::timeout(PATIENCE, subscription.next_batch())
        .await
        .expect("a batch in time")
        .unwrap();
    batch
        .into_iter()
        .map(|e| (e.event_id.into(), e.position))
        .unzip()
}

/// Takes and acknowledges batches until `count` events are delivered.
pub async fn drain(subscription: &mut Box<dyn EventSubscription>, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    while all.len() < count {
        let (ids, positions) = next(subscription).await;
        subscription.ack(&positions).await.unwrap();
        all.extend(ids);
    }
    all
}

/// The ids `e<from>` to `e<to - 1>`.
pub fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("e{n}")).collect()
}
