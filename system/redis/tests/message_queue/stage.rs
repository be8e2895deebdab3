//! The set-up that the queue's tests share: a server a test, a queue with short times, messages and workers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ordershop_contract::correlation::Correlation;
use ordershop_contract::message_queue::{
    Answer, Delivery, MessageQueue, OutgoingMessage, QueueConsumer, QueueError, QueueName,
};
use ordershop_contract::metrics::QueueMetrics;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use ordershop_redis::server::RedisServer;
use serde_json::value::RawValue;
use tokio::task::JoinHandle;

pub const ECHO: QueueName = QueueName {
    service: "test-service",
    function: "echo",
};
pub const SOURCE: &str = "mq:{test-service.echo}";
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

pub type Call = JoinHandle<Result<Box<RawValue>, QueueError>>;
pub type Consumer = Box<dyn QueueConsumer>;

pub struct Fixture {
    pub server: RedisServer,
    pub dir: tempfile::TempDir,
    pub metrics: QueueMetrics,
}

impl Fixture {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = RedisServer::start(dir.path(), Durability::None)
            .await
            .unwrap();
        Self {
            server,
            dir,
            metrics: QueueMetrics::default(),
        }
    }

    pub fn queue_with(&self, config: QueueConfig) -> Arc<RedisMessageQueue> {
        let link = RedisLink::new(self.server.url()).unwrap();
        RedisMessageQueue::start(link, self.metrics.clone(), config)
    }

    pub fn queue(&self) -> Arc<RedisMessageQueue> {
        self.queue_with(hasty())
    }

    pub async fn redis<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let link = RedisLink::new(self.server.url()).unwrap();
        let mut connection = link.dedicated().await.unwrap();
        let mut words = command.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap());
        for word in words {
            cmd.arg(word);
        }
        cmd.query_async(&mut connection).await.unwrap()
    }

    pub async fn held(&self) -> Vec<String> {
        self.redis(&format!("KEYS {SOURCE}:processing:*")).await
    }
}

/// A configuration with times short enough for a test.
pub fn hasty() -> QueueConfig {
    QueueConfig {
        heartbeat_ms: 50,
        dead_after_ms: 400,
        recover_ms: 50,
        retry_delay_ms: 5,
        retry_delay_ms_max: 20,
        block_ms: 200,
        ..QueueConfig::default()
    }
}

pub fn message(id: impl Into<String>, payload: &str) -> OutgoingMessage {
    OutgoingMessage {
        to: ECHO,
        message_id: id.into(),
        payload: RawValue::from_string(payload.to_owned()).unwrap(),
        correlation: Correlation {
            correlation_id: "request".into(),
            causation_id: "cause".into(),
            times: None,
        },
    }
}

pub fn numbered(count: usize) -> Vec<OutgoingMessage> {
    (0..count)
        .map(|n| message(format!("m-{n}"), &n.to_string()))
        .collect()
}

pub fn call(queue: &Arc<RedisMessageQueue>, id: &str, payload: &str) -> Call {
    let (queue, message) = (Arc::clone(queue), message(id, payload));
    tokio::spawn(async move { queue.call(message, CALL_TIMEOUT).await })
}

pub fn echo(deliveries: &[Delivery]) -> Vec<Answer> {
    deliveries
        .iter()
        .map(|delivery| Answer::Reply(delivery.payload.clone()))
        .collect()
}

pub fn counted(deliveries: Vec<Delivery>) -> Vec<(String, u32)> {
    deliveries
        .into_iter()
        .map(|delivery| (delivery.message_id, delivery.redeliveries))
        .collect()
}

/// m-0 to m-4; the first three were delivered before.
pub fn three_of_five_redelivered() -> Vec<(String, u32)> {
    (0..5)
        .map(|n| (format!("m-{n}"), u32::from(n < 3)))
        .collect()
}

/// Starts a worker that echoes messages until the queue is closed; counts the handled messages by id.
pub fn spawn_echo(
    mut consumer: Consumer,
    handled: Arc<Mutex<HashMap<String, usize>>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut answers = Vec::new();
        loop {
            match consumer.exchange(std::mem::take(&mut answers)).await {
                Ok(deliveries) => {
                    for delivery in &deliveries {
                        *handled
                            .lock()
                            .unwrap()
                            .entry(delivery.message_id.clone())
                            .or_default() += 1;
                    }
                    answers = echo(&deliveries);
                }
                Err(QueueError::Closed) => return,
                Err(_) => {}
            }
        }
    })
}

pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what} did not happen in 20 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub async fn take(consumer: &mut Consumer, answers: Vec<Answer>) -> Vec<Delivery> {
    let taken = tokio::time::timeout(Duration::from_secs(20), consumer.exchange(answers)).await;
    taken.expect("something is delivered within 20 s").unwrap()
}

/// Takes and echoes messages until `count` are delivered.
pub async fn take_all(consumer: &mut Consumer, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    let mut answers = Vec::new();
    while all.len() < count {
        let deliveries = take(consumer, answers).await;
        answers = echo(&deliveries);
        all.extend(deliveries);
    }
    consumer.finish(answers).await.unwrap();
    all
}

/// Leaves the state of a process that dies while it handles a batch: no more heartbeats, and its messages in its processing list.
pub async fn die(queue: Arc<RedisMessageQueue>, consumer: Consumer) {
    std::mem::forget(consumer);
    queue.close().await;
}
