//! The message queue as every service sees it: call and await the reply, send and forget, consume in batches and answer.
//! Knows nothing of Redis; a Redis implementation (and, between processes, gRPC) stands behind it.

mod name;
pub mod redis;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::value::RawValue;

use crate::correlation::Correlation;

pub use name::{QueueName, QueueNameError};

/// A message to send.
#[derive(Clone, Debug)]
pub struct OutgoingMessage {
    /// The function that handles it.
    pub to: QueueName,
    /// Unique. A created entity takes its id from it, so that a repeat makes nothing twice.
    pub message_id: String,
    /// JSON: `{"params": …}`.
    pub payload: Box<RawValue>,
    /// The request and the direct cause.
    pub correlation: Correlation,
}

/// A message delivered to a worker. It stays in the worker's processing list until it is answered.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// As sent.
    pub message_id: String,
    /// JSON as sent: `{"params": …}`.
    pub payload: Box<RawValue>,
    /// The request and the direct cause.
    pub correlation: Correlation,
    /// Whether the caller waits for a reply (else it was sent and forgotten).
    pub wants_reply: bool,
    /// How often it was delivered before and not answered (0 the first time).
    pub redeliveries: u32,
}

/// What a worker says of one delivery. Every delivery of a batch gets exactly one.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Done: the JSON reply (`{"result": …}` or `{"error": …}`) goes to the caller, if it waits for one.
    Reply(Box<RawValue>),
    /// Not now (a dependency is away): delivered again, after `N` times to the dead letters. The reason is logged.
    /// A caller that waits keeps waiting until its own timeout.
    Retry(String),
    /// Can't ever be handled: to the dead letters, with the reason. A caller that waits gets `{"error": reason}`.
    DeadLetter(String),
}

/// How deep a queue is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueStatus {
    /// `service.function`.
    pub queue: String,
    /// Messages in the source list, not yet taken.
    pub depth: u64,
    /// Messages in the dead-letter list.
    pub dead_letters: u64,
}

/// Why the queue couldn't do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueueError {
    /// The queue can't be reached; trying again may help. The message may or may not have been sent.
    #[error("the message queue is not available: {0}")]
    Unavailable(String),
    /// No reply in time; the command may still be carried out.
    #[error("{queue} gave no answer within {timeout_ms} ms")]
    Timeout {
        /// `service.function`.
        queue: String,
        /// How long was waited.
        timeout_ms: u64,
    },
    /// The queue is longer than its limit; nothing was sent.
    #[error("{queue} is overloaded: {depth} messages wait, {depth_max} may")]
    Overloaded {
        /// `service.function`.
        queue: String,
        /// Messages in it.
        depth: u64,
        /// Its limit.
        depth_max: u64,
    },
    /// The queue is shutting down.
    #[error("the message queue is shutting down")]
    Closed,
}

/// The message queue, seen from a caller and from a worker.
#[async_trait]
pub trait MessageQueue: Send + Sync {
    /// Sends a message and waits for the reply's JSON (`{"result": …}` or `{"error": …}`). Concurrent calls share round trips.
    async fn call(
        &self,
        message: OutgoingMessage,
        timeout: Duration,
    ) -> Result<Box<RawValue>, QueueError>;

    /// Sends messages that nobody waits for. Returns when the queue has them (under the chosen durability).
    async fn send(&self, messages: Vec<OutgoingMessage>) -> Result<(), QueueError>;

    /// Becomes one of the competing workers of a function.
    async fn consume(
        &self,
        queue: QueueName,
        batch_max: usize,
    ) -> Result<Box<dyn QueueConsumer>, QueueError>;

    /// How deep the named queues are.
    async fn status(&self, queues: &[QueueName]) -> Result<Vec<QueueStatus>, QueueError>;
}

/// One worker of one queue. Dropping it gives its unanswered messages back, sooner or later.
#[async_trait]
pub trait QueueConsumer: Send {
    /// Answers the previous batch (one answer a delivery, in their order; none before the first batch) and takes the next,
    /// waiting for it where the queue is empty. Never returns an empty batch. On an error the previous batch is not answered: it will be
    /// delivered again, here or elsewhere, and the next call takes no answers. Dropped once begun, it still brings its answers to the queue; what
    /// it would have taken is given back.
    async fn exchange(&mut self, answers: Vec<Answer>) -> Result<Vec<Delivery>, QueueError>;

    /// Answers the last batch and takes no more (a graceful end).
    async fn finish(&mut self, answers: Vec<Answer>) -> Result<(), QueueError>;
}
