//! A worker of a queue: answers a batch and takes the next in one round trip, and reconnects by itself when its connection breaks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use prometheus_client::metrics::histogram::Histogram;

use super::batch::{Batch, BatchOutcome};
use super::keys::QueueKeys;
use super::outbox::unavailable;
use super::scripts::Taken;
use super::shared::QueueShared;
use super::worker_connection::{Ended, WorkerConnection};
use crate::refusal;
use ordershop_contract::backoff::Backoff;
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::{Answer, Delivery, QueueConsumer, QueueError, QueueName};
use ordershop_contract::metrics::QueueLabels;

/// Sends answers; ends with the connection that they were sent on and the messages that were taken.
type AnswerInFlight = BoxFuture<'static, (WorkerConnection, Result<Taken, String>)>;

/// A worker of a queue on Redis.
pub(super) struct RedisQueueConsumer {
    shared: Arc<QueueShared>,
    queue: QueueName,
    keys: QueueKeys,
    batch_max: usize,
    batch: Batch,
    /// `None` while answers are being sent, which own the connection.
    connection: Option<WorkerConnection>,
    /// The answers that are being sent. Sending goes on even if the exchange is dropped: the Redis client would drop a command whose caller
    /// is gone.
    answering: Option<AnswerInFlight>,
    /// Whether a message is waited for. If it is still set at the next exchange, the last one was dropped: it is unknown which messages
    /// this worker holds.
    waiting: bool,
    /// Earlier workers of this consumer whose messages must still be given back.
    ended: Vec<Ended>,
    finished: bool,
    /// Whether everything failed since the last failure: wait before the next try, and don't log again.
    broken: bool,
    backoff: Backoff,
    /// Made at the first batch: a queue that is never used has no series.
    batch_messages: Option<Histogram>,
}

impl RedisQueueConsumer {
    pub(super) fn new(
        shared: Arc<QueueShared>,
        queue: QueueName,
        batch_max: usize,
        connection: Option<WorkerConnection>,
    ) -> Self {
        let backoff = Backoff::between(shared.config.reconnect_ms, shared.config.reconnect_ms_max);
        Self {
            keys: QueueKeys::new(queue),
            shared,
            queue,
            batch_max,
            batch: Batch::default(),
            connection,
            answering: None,
            waiting: false,
            ended: Vec::new(),
            finished: false,
            broken: false,
            backoff,
            batch_messages: None,
        }
    }

    /// Closes the connection and forgets the batch: it is delivered again. `died`: its messages may be the cause.
    fn abandon(&mut self, died: bool) {
        self.waiting = false;
        self.batch = Batch::default();
        let ended = self
            .connection
            .take()
            .map(|connection| connection.end(died));
        self.ended.extend(ended);
    }

    /// Waits for answers that a dropped exchange left behind. Messages that were taken with them will be given back.
    async fn settle_answers(&mut self) {
        if let Some(answering) = &mut self.answering {
            let (connection, _) = answering.await;
            self.answering = None;
            self.ended.push(connection.end(false));
        }
    }

    /// Gives back the messages of this consumer's earlier workers.
    async fn give_back(&mut self) -> redis::RedisResult<()> {
        self.settle_answers().await;
        while let Some(ended) = self.ended.last() {
            ended.give_back(&self.shared).await?;
            self.ended.pop();
        }
        Ok(())
    }

    /// Opens a connection if there is none; retries until it succeeds or the queue is closed.
    async fn open(&mut self) -> Result<(), QueueError> {
        loop {
            if self.broken {
                tokio::select! {
                    () = tokio::time::sleep(self.backoff.next_wait()) => {}
                    () = self.shared.closed.cancelled() => {}
                }
            }
            if self.shared.closed.is_cancelled() {
                return Err(QueueError::Closed);
            }
            match self.try_open().await {
                Ok(()) => return Ok(()),
                Err(error) => self.failed(&refusal::words(&error)),
            }
        }
    }

    /// Logs a failure, but only the first until something succeeds again.
    fn failed(&mut self, error: &str) {
        if !std::mem::replace(&mut self.broken, true) {
            tracing::warn!(queue = %self.queue, error, "the worker can't reach its queue; it keeps trying");
        }
    }

    async fn try_open(&mut self) -> redis::RedisResult<()> {
        // Old messages are given back first: they come before any new message in the queue.
        self.give_back().await?;
        if self.connection.is_none() {
            self.connection =
                Some(WorkerConnection::open(&self.shared, self.queue, &self.keys).await?);
        }
        Ok(())
    }

    /// Answers the batch and takes at most `messages_max`; closes the connection on an error.
    async fn end_and_take(
        &mut self,
        answers: Vec<Answer>,
        messages_max: usize,
    ) -> Result<Taken, QueueError> {
        if answers.len() != self.batch.deliveries() {
            let reason = format!(
                "{} answers were sent for {} deliveries; send one answer per delivery",
                answers.len(),
                self.batch.deliveries()
            );
            tracing::error!(queue = %self.queue, reason, "the handler must answer each delivery exactly once; the batch is delivered again");
            self.abandon(true);
            return Err(QueueError::Unavailable(reason));
        }
        let Some(mut connection) = self.connection.take() else {
            return Err(QueueError::Unavailable("not connected".to_owned()));
        };
        let batch = std::mem::take(&mut self.batch);
        let had_any = !batch.is_empty();
        let BatchOutcome { replies, leftovers } =
            batch.answer(self.queue, &self.keys, answers, &self.shared.config);
        let exchange = connection.exchange(
            &self.keys,
            replies,
            had_any.then_some(&leftovers),
            messages_max,
        );
        let answering = self.answering.insert(Box::pin(async move {
            let taken = connection.end_and_take(exchange).await;
            (connection, taken)
        }));
        let (connection, taken) = answering.await;
        self.answering = None;
        self.connection = Some(connection);
        self.settle(taken)
    }

    fn settle(&mut self, taken: Result<Taken, String>) -> Result<Taken, QueueError> {
        self.waiting = false;
        match taken {
            Ok(taken) => {
                if std::mem::take(&mut self.broken) {
                    tracing::info!(queue = %self.queue, "the worker has reached its queue again");
                    self.backoff.reset();
                }
                Ok(taken)
            }
            Err(error) => {
                self.failed(&error);
                self.abandon(false);
                Err(QueueError::Unavailable(error))
            }
        }
    }

    /// Answers the batch and takes no messages; the worker goes on.
    pub(super) async fn answer(&mut self, answers: Vec<Answer>) -> Result<(), QueueError> {
        self.end_and_take(answers, 0).await.map(drop)
    }

    fn deliver(&mut self, messages: Vec<Vec<u8>>) -> Vec<Delivery> {
        if messages.is_empty() {
            return Vec::new();
        }
        Failpoint::MessagesTaken.pass();
        let (batch, deliveries) = Batch::read(self.queue, messages, &self.shared.clock);
        if batch.expired() > 0 {
            self.shared.expired(self.queue, batch.expired());
        }
        self.batch = batch;
        if !deliveries.is_empty() {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a batch has far fewer than 2^52 messages"
            )]
            self.batch_messages().observe(deliveries.len() as f64);
        }
        deliveries
    }

    fn batch_messages(&mut self) -> &Histogram {
        self.batch_messages.get_or_insert_with(|| {
            let queue = self.queue.to_string();
            let all = &self.shared.metrics.queue_batch_messages;
            all.get_or_create_owned(&QueueLabels { queue })
        })
    }

    /// Waits until there is a message, the connection fails or the queue is closed.
    async fn wait(&mut self, delayed: bool) -> Result<Taken, QueueError> {
        let config = &self.shared.config;
        let block = Duration::from_millis(if delayed {
            config.block_delayed_ms
        } else {
            config.block_ms
        });
        let Some(connection) = &mut self.connection else {
            return Err(QueueError::Unavailable("not connected".to_owned()));
        };
        self.waiting = true;
        let taken = tokio::select! {
            taken = connection.wait_and_take(&self.keys, self.batch_max, block) => taken,
            () = self.shared.closed.cancelled() => {
                self.abandon(false);
                return Err(QueueError::Closed);
            }
        };
        self.settle(taken)
    }
}

#[async_trait]
impl QueueConsumer for RedisQueueConsumer {
    async fn exchange(&mut self, mut answers: Vec<Answer>) -> Result<Vec<Delivery>, QueueError> {
        if self.finished {
            return Err(QueueError::Closed);
        }
        if self.waiting {
            self.abandon(false);
        }
        if self.shared.closed.is_cancelled() {
            if self.connection.is_some() && !self.batch.is_empty() {
                self.end_and_take(answers, 0).await?;
            }
            return Err(QueueError::Closed);
        }
        loop {
            let answered = self.batch.deliveries() > 0;
            if self.connection.is_none() || !self.ended.is_empty() {
                if !answers.is_empty() {
                    tracing::debug!(queue = %self.queue, "answers are dropped: their batch was given back");
                }
                answers = Vec::new();
                self.open().await?;
            }
            let mut taken = match self
                .end_and_take(std::mem::take(&mut answers), self.batch_max)
                .await
            {
                Ok(taken) => taken,
                Err(error) if answered => return Err(error),
                Err(_) => continue,
            };
            loop {
                let deliveries = self.deliver(taken.messages);
                if !deliveries.is_empty() {
                    return Ok(deliveries);
                }
                if !self.batch.is_empty() {
                    // Only malformed messages and such that came too late: they are taken off before the next are taken.
                    break;
                }
                match self.wait(taken.delayed).await {
                    Ok(next) => taken = next,
                    Err(QueueError::Closed) => return Err(QueueError::Closed),
                    Err(_) => break,
                }
            }
        }
    }

    async fn finish(&mut self, answers: Vec<Answer>) -> Result<(), QueueError> {
        if self.finished {
            return Ok(());
        }
        if self.waiting {
            self.abandon(false);
        }
        let result = if self.connection.is_some() && !self.batch.is_empty() {
            self.end_and_take(answers, 0).await.map(drop)
        } else {
            Ok(())
        };
        self.abandon(false);
        self.give_back().await.map_err(unavailable)?;
        self.finished = true;
        result
    }
}

impl Drop for RedisQueueConsumer {
    fn drop(&mut self) {
        // Whoever drops it in the middle of a batch has died of it, as far as is known here.
        self.abandon(!self.waiting);
        let (answering, mut ended) = (self.answering.take(), std::mem::take(&mut self.ended));
        let is_clean = answering.is_none() && ended.is_empty();
        if is_clean || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let queue = self.queue;
        self.shared.tracker.spawn(async move {
            if let Some(answering) = answering {
                ended.push(answering.await.0.end(false));
            }
            for worker in ended {
                if let Err(error) = worker.give_back(&shared).await {
                    tracing::warn!(%queue, %error, "a worker's messages could not be given back; recovery does it later");
                }
            }
        });
    }
}
