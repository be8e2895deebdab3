//! A Redis whose clock is set back by an hour: what was to end soon must not last an hour longer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ordershop_contract::correlation::Correlation;
use ordershop_contract::event_store::{
    Appended, EventStore, EventStoreError, ExpectedVersion, NewEvent, Transaction,
};
use ordershop_contract::message_queue::{
    Answer, Delivery, MessageQueue, OutgoingMessage, QueueConsumer, QueueName,
};
use ordershop_contract::metrics::QueueMetrics;
use ordershop_contract::topic::Topic;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use ordershop_redis::metrics::AppendMetrics;
use serde_json::value::RawValue;

use crate::clock::Clock;
use crate::redis_server::ForeignRedis;

const ECHO: QueueName = QueueName {
    service: "test-service",
    function: "echo",
};
const HOUR: Duration = Duration::from_secs(3_600);
/// The timeout of every condition; far longer than any should take, and far less than an hour.
const PATIENCE: Duration = Duration::from_secs(30);

struct Stage {
    clock: Clock,
    redis: ForeignRedis,
}

impl Stage {
    async fn new() -> Option<Self> {
        let clock = Clock::new()?;
        let redis = ForeignRedis::start_with(&[], clock.variables()).await;
        Some(Self { clock, redis })
    }

    async fn set_back(&self) {
        let before = self.seconds().await;
        self.clock.set_back(HOUR);
        assert!(self.seconds().await < before - 3_500, "it has this clock");
    }

    async fn seconds(&self) -> u64 {
        let time = self.redis.ask(&["TIME"]).await.unwrap();
        let (seconds, _): (u64, u64) = redis::from_redis_value(time).unwrap();
        seconds
    }
}

fn correlation() -> Correlation {
    Correlation {
        correlation_id: "request".into(),
        causation_id: "cause".into(),
        times: None,
    }
}

fn store(url: &str) -> Arc<RedisEventStore> {
    let link = RedisLink::new(url).unwrap();
    RedisEventStore::start(link, &AppendMetrics::default(), EventStoreConfig::default())
}

async fn append(store: &RedisEventStore, id: &str) -> Result<Vec<Appended>, EventStoreError> {
    let event = NewEvent {
        event_id: id.into(),
        action: "entity_created".into(),
        entity_id: id.into(),
        expected: ExpectedVersion::NoStream,
        data: RawValue::from_string("{}".into()).unwrap(),
        correlation: correlation(),
    };
    let transaction = Transaction::of(Topic::Order, vec![event]);
    store.append(vec![transaction]).await
}

fn queue(url: &str) -> Arc<RedisMessageQueue> {
    let link = RedisLink::new(url).unwrap();
    let config = QueueConfig {
        retry_delay_ms: 1_000,
        // A blocking read that is under way when the clock is set back ends with the connection.
        response_timeout_ms: 1_000,
        ..QueueConfig::default()
    };
    RedisMessageQueue::start(link, QueueMetrics::default(), config)
}

async fn send(queue: &RedisMessageQueue) {
    let message = OutgoingMessage {
        to: ECHO,
        message_id: "message".to_owned(),
        payload: RawValue::from_string("1".to_owned()).unwrap(),
        correlation: correlation(),
    };
    queue.send(vec![message]).await.unwrap();
}

async fn take(consumer: &mut dyn QueueConsumer, answers: Vec<Answer>) -> Vec<Delivery> {
    let taken = tokio::time::timeout(PATIENCE, consumer.exchange(answers)).await;
    taken.expect("it is delivered in time").unwrap()
}

/// Runs what a process does until it dies: whatever it leaves behind ends where it is.
fn until_it_dies<F, T>(life: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = T>,
{
    let process = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let left = runtime.block_on(life());
        runtime.shutdown_background();
        drop(left);
    });
    process.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_writers_lease_ends_and_positions_never_fall() {
    let Some(stage) = Stage::new().await else {
        return;
    };
    let url = stage.redis.url();
    until_it_dies(move || async move {
        let store = store(&url);
        append(&store, "before").await.unwrap();
        store
    });
    stage.set_back().await;

    let store = store(&stage.redis.url());
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = append(&store, "after").await {
        assert!(Instant::now() < deadline, "{error}");
    }

    let events = store
        .read(Topic::Order.into(), Default::default(), 10)
        .await;
    let events = events.unwrap();
    let ids: Vec<&str> = events.iter().map(|event| &*event.event_id).collect();
    assert_eq!(ids, ["before", "after"]);
    assert!(events[0].position < events[1].position);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_worker_held_goes_to_another() {
    let Some(stage) = Stage::new().await else {
        return;
    };
    let url = stage.redis.url();
    until_it_dies(move || async move {
        let queue = queue(&url);
        send(&queue).await;
        let mut consumer = queue.consume(ECHO, 10).await.unwrap();
        take(&mut *consumer, Vec::new()).await;
        (queue, consumer)
    });
    stage.set_back().await;

    let queue = queue(&stage.redis.url());
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let taken = take(&mut *consumer, Vec::new()).await;

    assert_eq!(taken[0].redeliveries, 1);
    queue.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_to_be_delivered_again_soon_is() {
    let Some(stage) = Stage::new().await else {
        return;
    };
    let queue = queue(&stage.redis.url());
    send(&queue).await;
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    take(&mut *consumer, Vec::new()).await;
    let again = tokio::spawn(async move {
        let retry = Answer::Retry("not yet".to_owned());
        take(&mut *consumer, vec![retry]).await
    });
    let delayed = ["ZCARD", "mq:{test-service.echo}:delayed"];
    while stage.redis.tell(&delayed).await != "int(1)" {
        assert!(!again.is_finished(), "it is delayed first");
    }
    stage.set_back().await;

    assert_eq!(again.await.unwrap()[0].redeliveries, 1);
    queue.close().await;
}
