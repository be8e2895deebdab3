//! A worker that takes one message at a time, and the next only when it is asked to. For messages whose handling may take long: none waits
//! here while another worker could take it.

use tokio_util::task::task_tracker::TaskTrackerToken;

use super::RedisMessageQueue;
use super::consumer::RedisQueueConsumer;
use crate::message_queue::{Answer, Delivery, QueueConsumer, QueueError, QueueName};

/// A worker that takes one message at a time. If it is dropped, its message is given back, with one more redelivery.
pub struct SingleConsumer {
    consumer: RedisQueueConsumer,
    /// Keeps the queue's closing waiting for it.
    _token: TaskTrackerToken,
}

impl RedisMessageQueue {
    /// Starts a worker that competes with the function's other workers, for one message at a time.
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
    /// Waits for the next message. A message that was taken and not answered is given back first.
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
                // The consumer has closed its connection and given up its message; the next try opens another.
                Err(_) => {}
            }
        }
    }

    /// Answers the present message and takes no other. Returns when Redis has the answer.
    ///
    /// # Errors
    /// The connection broke: the message is delivered again, unless the answer arrived.
    pub async fn answer(&mut self, answer: Answer) -> Result<(), QueueError> {
        self.consumer.answer(vec![answer]).await
    }
}
