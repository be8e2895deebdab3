//! The set-up that the tests share: a Redis, a queue on it, a server before the queue, and a client of the server.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ordershop_contract::correlation::Correlation;
use ordershop_contract::message_queue::{
    Answer, Delivery, MessageQueue, OutgoingMessage, QueueConsumer, QueueName, QueueStatus,
};
use ordershop_contract::metrics::QueueMetrics;
use ordershop_grpc::message_queue::client::GrpcMessageQueue;
use ordershop_grpc::message_queue::server::MessageQueueService;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use ordershop_redis::server::RedisServer;
use serde_json::value::RawValue;
use tonic::service::Routes;

use crate::served::{Address, Served};

pub const ECHO: QueueName = QueueName {
    service: "test-service",
    function: "echo",
};
/// The timeout of every condition; far longer than any should take.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type Consumer = Box<dyn QueueConsumer>;

pub struct Stage {
    pub client: Arc<GrpcMessageQueue>,
    pub address: Address,
    pub queue: Arc<RedisMessageQueue>,
    served: Mutex<Option<Served>>,
    _server: RedisServer,
    _dir: tempfile::TempDir,
}

impl Stage {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = Address::Socket(dir.path().join("message-queue.sock"));
        Self::at(address, dir).await
    }

    pub async fn over_tcp() -> Self {
        Self::at(Address::tcp(), tempfile::tempdir().unwrap()).await
    }

    async fn at(address: Address, dir: tempfile::TempDir) -> Self {
        let server = RedisServer::start(dir.path(), Durability::None)
            .await
            .unwrap();
        let config = QueueConfig {
            heartbeat_ms: 50,
            dead_after_ms: 400,
            recover_ms: 50,
            retry_delay_ms: 5,
            retry_delay_ms_max: 20,
            block_ms: 200,
            deaths_max: 1_000,
            ..QueueConfig::default()
        };
        let link = RedisLink::new(server.url()).unwrap();
        let queue = RedisMessageQueue::start(link, QueueMetrics::default(), config);
        // Opens the shared connection on the runtime that stays: the server's runtime ends with the server.
        queue.status(&[ECHO]).await.unwrap();
        let served = serve(&address, &queue);
        Self {
            client: GrpcMessageQueue::start(address.channel()),
            address,
            queue,
            served: Mutex::new(Some(served)),
            _server: server,
            _dir: dir,
        }
    }

    pub fn kill_server(&self) {
        self.served.lock().unwrap().take().unwrap().kill();
    }

    pub fn start_server(&self) {
        *self.served.lock().unwrap() = Some(serve(&self.address, &self.queue));
    }

    pub async fn stop_server(&self) {
        let served = self.served.lock().unwrap().take().unwrap();
        tokio::time::timeout(PATIENCE, served.stop()).await.unwrap();
    }

    pub async fn worker(&self, batch_max: usize) -> Consumer {
        self.client.consume(ECHO, batch_max).await.unwrap()
    }

    pub async fn status(&self) -> QueueStatus {
        self.queue.status(&[ECHO]).await.unwrap().remove(0)
    }

    pub async fn until_depth(&self, depth: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.status().await.depth != depth {
            assert!(Instant::now() < deadline, "{:?}", self.status().await);
        }
    }
}

fn serve(address: &Address, queue: &Arc<RedisMessageQueue>) -> Served {
    Served::start(address, |drain| {
        Routes::new(MessageQueueService::new(queue.clone(), drain).into_server())
    })
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

pub fn echo(deliveries: &[Delivery]) -> Vec<Answer> {
    let echo = |delivery: &Delivery| Answer::Reply(delivery.payload.clone());
    deliveries.iter().map(echo).collect()
}

pub fn ids(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|d| d.message_id.clone()).collect()
}

pub async fn take(consumer: &mut Consumer, answers: Vec<Answer>) -> Vec<Delivery> {
    let taken = tokio::time::timeout(PATIENCE, consumer.exchange(answers)).await;
    taken.expect("something is delivered in time").unwrap()
}

/// Takes and echoes messages until `count` are delivered.
pub async fn take_all(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let (mut all, mut answers) = (Vec::new(), Vec::new());
    while all.len() < count {
        let deliveries = take(consumer, answers).await;
        answers = echo(&deliveries);
        all.extend(ids(&deliveries));
    }
    consumer.finish(answers).await.unwrap();
    all
}
