//! A worker that takes one message at a time, and the next only when it is asked to. For messages whose handling may take long: none waits
//! here while another worker could take it.

use async_trait::async_trait;
use ordershop_contract::open_queue::SingleConsumer;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::consumer::RedisQueueConsumer;
use ordershop_contract::message_queue::{Answer, Delivery, QueueConsumer, QueueError};

/// A worker that takes one message at a time. If it is dropped, its message is given back, with one more redelivery.
pub(super) struct RedisSingleConsumer {
    consumer: RedisQueueConsumer,
    /// Keeps the queue's closing waiting for it.
    _token: TaskTrackerToken,
}

impl RedisSingleConsumer {
    pub(super) fn new(consumer: RedisQueueConsumer, token: TaskTrackerToken) -> Self {
        Self {
            consumer,
            _token: token,
        }
    }
}

#[async_trait]
impl SingleConsumer for RedisSingleConsumer {
    async fn next(&mut self) -> Result<Delivery, QueueError> {
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

    async fn answer(&mut self, answer: Answer) -> Result<(), QueueError> {
        self.consumer.answer(vec![answer]).await
    }
}
