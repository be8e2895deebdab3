//! What a server needs of a message queue that it opens to services whose functions it doesn't know: which functions exist, calls in two
//! steps, and workers that take one message at a time. A client of a queue needs none of it.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;

use crate::message_queue::{
    Answer, Delivery, MessageQueue, OutgoingMessage, QueueError, QueueName,
};

/// The reply to a message that was sent. If it is dropped, the reply is discarded.
pub type PendingReply = BoxFuture<'static, Result<Box<RawValue>, QueueError>>;

/// A message queue for functions that are named at run time.
#[async_trait]
pub trait OpenQueue: MessageQueue {
    /// Whether a function, named `service.function`, was ever consumed. Takes any text, as the name may come from a client.
    async fn knows(&self, function: &str) -> Result<bool, QueueError>;

    /// Makes a function known before there is a worker.
    async fn introduce(&self, queue: QueueName) -> Result<(), QueueError>;

    /// Sends a message. Returns when the queue has it (with the configured durability); it is carried out then, however late. The reply comes
    /// within `timeout` from then, or is [`QueueError::Timeout`]. If the queue is unreachable, the message may have been sent.
    async fn request(
        &self,
        message: OutgoingMessage,
        timeout: Duration,
    ) -> Result<PendingReply, QueueError>;

    /// Starts a worker that competes with the function's other workers, for one message at a time.
    async fn consume_singly(&self, queue: QueueName)
    -> Result<Box<dyn SingleConsumer>, QueueError>;
}

/// A worker that takes one message at a time, and the next only when it is asked to. For messages whose handling may take long: none waits
/// here while another worker could take it. If it is dropped, its message is given back, with one more redelivery.
#[async_trait]
pub trait SingleConsumer: Send {
    /// Waits for the next message. A message that was taken and not answered is given back first. Fails only when the queue is shutting down.
    async fn next(&mut self) -> Result<Delivery, QueueError>;

    /// Answers the present message and takes no other. Returns when the queue has the answer. On an error the message is delivered again,
    /// unless the answer arrived.
    async fn answer(&mut self, answer: Answer) -> Result<(), QueueError>;
}
