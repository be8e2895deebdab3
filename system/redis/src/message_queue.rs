//! The message queue on Redis lists: a reliable queue a function, with processing lists, and one reply list a calling process. A message is
//! in a source list or in a worker's processing list until it is answered; delivery is at least once, in order. Knows nothing of the
//! content of messages.

pub(crate) mod backing_up;
mod batch;
mod clock;
mod config;
mod consumer;
mod dead_letter_requests;
mod dead_letters;
mod envelope;
mod functions;
mod keys;
mod outbox;
mod overload;
mod recovery;
mod replies;
mod request;
mod roster;
mod scripts;
mod sender;
mod shared;
mod single;
mod status;
mod waiters;
mod waiting_call;
mod worker_connection;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::RedisLink;
use clock::RedisClock;
use consumer::RedisQueueConsumer;
use envelope::Envelope;
use functions::Functions;
use keys::QueueKeys;
use ordershop_contract::dead_letters::{DeadLetter, DeadLetterRequest};
use ordershop_contract::message_queue::{
    MessageOutcome, MessageQueue, OutgoingMessage, QueueConsumer, QueueError, QueueName,
    QueueStatus,
};
use ordershop_contract::metrics::QueueMetrics;
use ordershop_contract::open_queue::{OpenQueue, PendingReply, SingleConsumer};
use outbox::{Messages, Outbox, Owner, unavailable};
use overload::Overload;
use recovery::Duty;
use roster::Roster;
use shared::QueueShared;
use single::RedisSingleConsumer;
use waiters::Waiters;
use waiting_call::WaitingCall;
use worker_connection::WorkerConnection;

pub use config::QueueConfig;

/// How long closing waits at most for messages to be given back, ms; recovery gives back the rest.
const CLOSE_TIMEOUT_MS: u64 = 2_000;

/// The message queue on Redis.
#[derive(Debug)]
pub struct RedisMessageQueue {
    shared: Arc<QueueShared>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl RedisMessageQueue {
    /// Starts the queue's tasks (sending, reading replies, heartbeats, recovery). Redis need not run yet: until it does, calls fail and
    /// workers wait. Must be called in a tokio runtime.
    pub fn start(link: RedisLink, metrics: QueueMetrics, config: QueueConfig) -> Arc<Self> {
        let instance = uuid::Uuid::now_v7().simple().to_string();
        let shared = Arc::new(QueueShared {
            connection: link.shared(),
            link,
            clock: RedisClock::default(),
            reply_key: keys::replies(&instance),
            instance,
            outbox: Outbox::default(),
            replicated: Outbox::default(),
            overload: Overload::new(&config, metrics.clone()),
            metrics,
            waiters: Waiters::default(),
            roster: Roster::new(config.dead_after_ms),
            functions: Functions::default(),
            workers_opened: AtomicU64::new(0),
            closed: CancellationToken::new(),
            tracker: TaskTracker::new(),
            config,
        });
        let mut tasks = vec![
            tokio::spawn(sender::run(Arc::clone(&shared))),
            tokio::spawn(replies::run(Arc::clone(&shared))),
            tokio::spawn(recovery::run(Arc::clone(&shared), Duty::Heartbeat)),
            tokio::spawn(recovery::run(Arc::clone(&shared), Duty::Recovery)),
        ];
        if shared.config.replicas.ack > 0 {
            let connection = shared.link.shared();
            let sending = sender::run_replicated(Arc::clone(&shared), connection);
            tasks.push(tokio::spawn(sending));
        }
        Arc::new(Self {
            shared,
            tasks: Mutex::new(tasks),
        })
    }

    async fn consumer(
        &self,
        queue: QueueName,
        batch_max: usize,
    ) -> Result<RedisQueueConsumer, QueueError> {
        if self.shared.closed.is_cancelled() {
            return Err(QueueError::Closed);
        }
        if batch_max == 0 {
            return Err(QueueError::Invalid(
                "batch_max must be at least 1; it is 0".to_owned(),
            ));
        }
        // A worker starts even if Redis is away now: the exchange retries the connection and logs the failure.
        let connection = WorkerConnection::open(&self.shared, queue, &QueueKeys::new(queue))
            .await
            .ok();
        let shared = Arc::clone(&self.shared);
        Ok(RedisQueueConsumer::new(
            shared, queue, batch_max, connection,
        ))
    }
}

impl Drop for RedisMessageQueue {
    fn drop(&mut self) {
        self.shared.closed.cancel();
    }
}

#[async_trait]
impl MessageQueue for RedisMessageQueue {
    async fn call(
        &self,
        message: OutgoingMessage,
        timeout: Duration,
    ) -> Result<Box<RawValue>, QueueError> {
        let shared = &self.shared;
        let call = WaitingCall::register(shared, &message, timeout)?;
        let encoded = Messages::One(Arc::clone(&call.encoded));
        let owner = Owner::Call(Arc::from(message.message_id));
        shared.put(message.to, encoded, owner)?;
        call.reply(shared).await
    }

    async fn send(&self, messages: Vec<OutgoingMessage>) -> Result<(), QueueError> {
        let mut by_queue: FxHashMap<QueueName, Vec<Vec<u8>>> = FxHashMap::default();
        for message in &messages {
            by_queue
                .entry(message.to)
                .or_default()
                .push(Envelope::of(message).encode());
        }
        for queue in by_queue.keys() {
            self.shared.overload.check(*queue)?;
        }
        let mut acknowledgements = Vec::with_capacity(by_queue.len());
        for (queue, mut encoded) in by_queue {
            while !encoded.is_empty() {
                // Several small pushes instead of a large one, so that bulk messages don't delay calls.
                let later =
                    encoded.split_off(encoded.len().min(self.shared.config.flush_messages_max));
                let (owner, acknowledgement) = oneshot::channel();
                self.shared
                    .put(queue, Messages::Many(encoded), Owner::Send(owner))?;
                acknowledgements.push(acknowledgement);
                encoded = later;
            }
        }
        for acknowledgement in acknowledgements {
            acknowledgement.await.unwrap_or(Err(QueueError::Closed))?;
        }
        Ok(())
    }

    async fn submit(&self, message: OutgoingMessage) -> Result<(), QueueError> {
        let shared = &self.shared;
        shared.overload.check(message.to)?;
        let envelope = Envelope {
            kept: true,
            ..Envelope::of(&message)
        };
        let messages = Messages::Kept {
            key: QueueKeys::new(message.to).outcome(&message.message_id),
            message: envelope.encode(),
        };
        let (owner, acknowledgement) = oneshot::channel();
        shared.put(message.to, messages, Owner::Send(owner))?;
        acknowledgement.await.unwrap_or(Err(QueueError::Closed))
    }

    async fn outcome(
        &self,
        queues: &[QueueName],
        message_id: &str,
    ) -> Result<Option<MessageOutcome>, QueueError> {
        let mut pipeline = redis::Pipeline::with_capacity(queues.len());
        for queue in queues {
            pipeline.get(QueueKeys::new(*queue).outcome(message_id));
        }
        let mut connection = self.shared.connection.clone();
        let found: Vec<Option<String>> = pipeline
            .query_async(&mut connection)
            .await
            .map_err(unavailable)?;
        let Some(outcome) = found.into_iter().flatten().next() else {
            return Ok(None);
        };
        if outcome.is_empty() {
            return Ok(Some(MessageOutcome::Pending));
        }
        let reply = RawValue::from_string(outcome)
            .map_err(|error| QueueError::Unavailable(error.to_string()))?;
        Ok(Some(MessageOutcome::Answered(reply)))
    }

    async fn consume(
        &self,
        queue: QueueName,
        batch_max: usize,
    ) -> Result<Box<dyn QueueConsumer>, QueueError> {
        Ok(Box::new(self.consumer(queue, batch_max).await?))
    }

    async fn dead_letters(
        &self,
        request: DeadLetterRequest,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        dead_letter_requests::perform(self.shared.connection.clone(), request).await
    }

    async fn status(&self, queues: &[QueueName]) -> Result<Vec<QueueStatus>, QueueError> {
        let statuses = status::of(self.shared.connection.clone(), queues).await;
        let statuses = statuses.map_err(unavailable)?;
        statuses
            .iter()
            .for_each(|status| self.shared.metrics.told(status));
        Ok(statuses)
    }

    async fn close(&self) {
        self.shared.closed.cancel();
        self.shared.waiters.close();
        let tasks = std::mem::take(
            &mut *self
                .tasks
                .lock()
                .expect("nothing panics while it holds this lock"),
        );
        for task in tasks {
            let _ = task.await;
        }
        self.shared.tracker.close();
        let leaving = async {
            self.shared.tracker.wait().await;
            recovery::leave(&self.shared).await;
        };
        let _ = tokio::time::timeout(Duration::from_millis(CLOSE_TIMEOUT_MS), leaving).await;
    }
}

#[async_trait]
impl OpenQueue for RedisMessageQueue {
    async fn knows(&self, function: &str) -> Result<bool, QueueError> {
        let connection = self.shared.connection.clone();
        self.shared.functions.knows(connection, function).await
    }

    async fn introduce(&self, queue: QueueName) -> Result<(), QueueError> {
        let connection = self.shared.connection.clone();
        self.shared.functions.introduce(connection, queue).await
    }

    async fn request(
        &self,
        message: OutgoingMessage,
        timeout: Duration,
    ) -> Result<PendingReply, QueueError> {
        request::request(Arc::clone(&self.shared), message, timeout).await
    }

    async fn consume_singly(
        &self,
        queue: QueueName,
    ) -> Result<Box<dyn SingleConsumer>, QueueError> {
        let consumer = self.consumer(queue, 1).await?;
        let token = self.shared.tracker.token();
        Ok(Box::new(RedisSingleConsumer::new(consumer, token)))
    }
}
