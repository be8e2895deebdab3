//! The message queue's interface: call and await the reply, send and forget, consume in batches and answer. Knows nothing of Redis; it is
//! implemented on Redis and, between processes, over gRPC.

mod name;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::value::RawValue;

use crate::correlation::Correlation;
use crate::dead_letters::{DeadLetter, DeadLetterRequest};

pub use name::{QueueName, QueueNameError};

/// A message to send.
#[derive(Clone, Debug)]
pub struct OutgoingMessage {
    /// The function that handles the message.
    pub to: QueueName,
    /// Unique. A created entity gets its id from it, so that a repeated message creates nothing twice.
    pub message_id: String,
    /// The payload as JSON: `{"params": …}`.
    pub payload: Box<RawValue>,
    /// The request and the direct cause of the message.
    pub correlation: Correlation,
}

/// A message that is delivered to a worker. It stays in the worker's processing list until it is answered.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message's id, as sent.
    pub message_id: String,
    /// The payload as JSON, as sent: `{"params": …}`.
    pub payload: Box<RawValue>,
    /// The request and the direct cause of the message.
    pub correlation: Correlation,
    /// Whether the caller waits for a reply; false if the message was sent and forgotten.
    pub wants_reply: bool,
    /// The number of earlier deliveries that were not answered (0 the first time).
    pub redeliveries: u32,
    /// When the caller gives up; a message that is past it must not be begun. `None` if nobody waits.
    pub deadline: Option<Instant>,
}

impl Delivery {
    /// Whether it isn't to be begun any more: its caller has given up. One that is delivered again may have been begun, and is carried on.
    #[must_use]
    pub fn is_late(&self, now: Instant) -> bool {
        self.redeliveries == 0 && self.is_over(now)
    }

    /// Whether its caller has given up.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

/// A worker's answer to one delivery. Every delivery of a batch needs exactly one.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Done: the JSON reply (`{"result": …}` or `{"error": …}`) is sent to the caller, if it waits for one.
    Reply(Box<RawValue>),
    /// Not possible now (a dependency is away): the message is delivered again after a pause, as often as it takes, and messages behind it
    /// go on meanwhile. The reason is logged. A waiting caller keeps waiting until its own timeout; then its message is dropped.
    Retry(String),
    /// Not possible at all: the message becomes a dead letter, with this reason. A waiting caller gets `{"error": reason}`.
    DeadLetter(String),
}

/// What became of a message whose outcome is kept.
#[derive(Clone, Debug)]
pub enum MessageOutcome {
    /// It waits, or it is being handled.
    Pending,
    /// Its worker's reply (`{"result": …}` or `{"error": …}`); a dead letter's reason is an error, too.
    Answered(Box<RawValue>),
}

/// The length of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueStatus {
    /// The queue's name: `service.function`.
    pub queue: String,
    /// The number of messages in the source list that no worker has taken.
    pub depth: u64,
    /// The number of messages that workers have taken and not answered; a dead worker's, too, until they are given back.
    pub held: u64,
    /// The number of messages in the dead-letter list.
    pub dead_letters: u64,
}

/// An error of the message queue.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueueError {
    /// The queue can't be reached; nothing was sent, and a retry may succeed.
    #[error("the message queue is not available: {0}")]
    Unavailable(String),
    /// The connection to the queue broke, or too few replicas have the message; it may or may not have been sent.
    #[error("it is not known whether the message queue has it: {0}")]
    Indeterminate(String),
    /// No reply came in time; the command may have been executed.
    #[error("{queue} gave no answer within {timeout_ms} ms")]
    Timeout {
        /// The queue's name: `service.function`.
        queue: String,
        /// The time that the caller waited, ms.
        timeout_ms: u64,
    },
    /// No worker took the message in time; it was withdrawn, so nothing was done.
    #[error(
        "{queue} did not begin the request within {timeout_ms} ms, and nothing was done; try again"
    )]
    NotBegun {
        /// The queue's name: `service.function`.
        queue: String,
        /// The time that the caller waited, ms.
        timeout_ms: u64,
    },
    /// More waits than may, or than can be done in time; nothing was sent.
    #[error("{queue} is overloaded: {depth} messages wait; at most {depth_max} may wait")]
    Overloaded {
        /// The queue's name: `service.function`.
        queue: String,
        /// The number of messages in the queue.
        depth: u64,
        /// The maximum number of messages in the queue.
        depth_max: u64,
    },
    /// The request itself is wrong.
    #[error("bad request to the message queue: {0}")]
    Invalid(String),
    /// The queue is shutting down.
    #[error("the message queue is shutting down")]
    Closed,
}

/// The message queue, as callers and workers see it.
#[async_trait]
pub trait MessageQueue: Send + Sync {
    /// Sends a message and waits for the reply's JSON (`{"result": …}` or `{"error": …}`). Concurrent calls share round trips. The message
    /// carries the time at which the caller gives up: no worker begins it later.
    async fn call(
        &self,
        message: OutgoingMessage,
        timeout: Duration,
    ) -> Result<Box<RawValue>, QueueError>;

    /// Sends messages without waiting for replies. Returns when the queue has them (with the configured durability).
    async fn send(&self, messages: Vec<OutgoingMessage>) -> Result<(), QueueError>;

    /// Sends a message without waiting for its reply, and keeps what becomes of it, for [`MessageQueue::outcome`]. Returns when the queue
    /// has it.
    async fn submit(&self, message: OutgoingMessage) -> Result<(), QueueError>;

    /// What became of a message that was submitted to one of the queues; `None` if none knows it, or no longer.
    async fn outcome(
        &self,
        queues: &[QueueName],
        message_id: &str,
    ) -> Result<Option<MessageOutcome>, QueueError>;

    /// Starts a worker that competes with the function's other workers and takes at most `batch_max` (at least 1) messages at a time.
    async fn consume(
        &self,
        queue: QueueName,
        batch_max: usize,
    ) -> Result<Box<dyn QueueConsumer>, QueueError>;

    /// Lists, shows, resends or drops dead letters; returns those that it was about, none if there is no such letter.
    async fn dead_letters(&self, request: DeadLetterRequest)
    -> Result<Vec<DeadLetter>, QueueError>;

    /// Returns the lengths of the named queues.
    async fn status(&self, queues: &[QueueName]) -> Result<Vec<QueueStatus>, QueueError>;

    /// Fails unanswered and further calls with [`QueueError::Closed`]; a worker's next exchange still answers its batch and then fails so,
    /// too. Finish the workers first, so that no message has to be delivered again. A queue without connections and tasks has nothing to close.
    async fn close(&self) {}
}

/// One worker of one queue. If it is dropped, its unanswered messages are given back, sooner or later.
#[async_trait]
pub trait QueueConsumer: Send {
    /// Answers the previous batch (one answer a delivery, in their order; none before the first batch) and takes the next, waiting while
    /// the queue is empty. Never returns an empty batch. After an error the previous batch counts as unanswered: it is delivered again,
    /// here or to another worker, and the next call takes no answers. A call that is dropped after it began still sends its answers;
    /// messages that it would have taken are given back.
    async fn exchange(&mut self, answers: Vec<Answer>) -> Result<Vec<Delivery>, QueueError>;

    /// Answers the last batch and takes no more (graceful end).
    async fn finish(&mut self, answers: Vec<Answer>) -> Result<(), QueueError>;
}
