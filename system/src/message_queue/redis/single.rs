//! A worker that takes one message at a time and no other before it is told to: for messages whose handling takes as long as it
//! likes, so that none waits behind another here while somebody else could have it.

use tokio_util::task::task_tracker::TaskTrackerToken;

use super::RedisMessageQueue;
use super::consumer::RedisQueueConsumer;
use crate::message_queue::{Answer, Delivery, QueueConsumer, QueueError, QueueName};

/// See the module. Dropping it gives back what it holds, counted as one more delivery.
pub struct SingleConsumer {
    consumer: RedisQueueConsumer,
    /// The queue's closing waits for it.
    _token: TaskTrackerToken,
}

impl RedisMessageQueue {
    /// Becomes one of the competing workers of a function, for one message at a time.
    ///
    /// # Errors
    /// The queue is shutting down.
    pub async fn consume_singly(&self, queue: QueueName) -> Result<SingleConsumer, QueueError> {
        Ok(SingleConsumer {
            consumer: self.consumer(queue, 1).await?,
            _token: self.shared.tracker.token(),
        })
    }
}

impl SingleConsumer {
    /// Waits for the next message. One that was taken and not answered is given back first.
    ///
    /// # Errors
    /// The queue is shutting down.
    pub async fn next(&mut self) -> Result<Delivery, QueueError> {
        loop {
            match self.consumer.exchange(Vec::new()).await {
                Ok(mut deliveries) => {
                    if let Some(delivery) = deliveries.pop() {
                        return Ok(delivery);
                    }
                }
                Err(QueueError::Closed) => return Err(QueueError::Closed),
                // It has given up its connection, and with it what it held; the next try opens another.
                Err(_) => {}
            }
        }
    }

    /// Answers the message in hand and takes no other. Returns when Redis has the answer.
    ///
    /// # Errors
    /// The connection broke: the message will be delivered again, unless the answer did arrive.
    pub async fn answer(&mut self, answer: Answer) -> Result<(), QueueError> {
        self.consumer.answer(vec![answer]).await
    }
}
