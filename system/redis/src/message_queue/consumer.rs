//! A worker of a queue: answers a batch and takes the next in one round trip, and reconnects by itself when its connection breaks.

use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, Either, poll_immediate, select};
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::oneshot;

use super::batch::Batch;
use super::keys::QueueKeys;
use super::outbox::unavailable;
use super::shared::QueueShared;
use super::worker_connection::{Ended, WorkerConnection};
use crate::refusal;
use ordershop_contract::backoff::Backoff;
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::{Answer, Delivery, QueueConsumer, QueueError, QueueName};
use ordershop_contract::metrics::QueueLabels;

/// Sends answers; ends when Redis has them.
type AnswerInFlight = BoxFuture<'static, Result<(), String>>;

/// Tells when the replies are sent, where they go to other servers than what is sent behind them.
type Replied = Option<oneshot::Receiver<()>>;

/// A worker of a queue on Redis.
pub(super) struct RedisQueueConsumer {
    shared: Arc<QueueShared>,
    queue: QueueName,
    keys: QueueKeys,
    batch_max: usize,
    batch: Batch,
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

    /// Gives back the messages of this consumer's earlier workers.
    async fn give_back(&mut self) -> redis::RedisResult<()> {
        // Answers that a dropped exchange left behind. If they fail, their batch is given back too.
        let _ = settle(&mut self.answering).await;
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

    /// Begins to send the answers, if there is a batch.
    fn begin_to_answer(&mut self, answers: Vec<Answer>) -> Result<Replied, QueueError> {
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
        let Some(connection) = &self.connection else {
            return Err(QueueError::Unavailable("not connected".to_owned()));
        };
        let batch = std::mem::take(&mut self.batch);
        let mut told = None;
        if batch.messages() > 0 {
            let (own_list, config) = (&self.shared.reply_key, &self.shared.config);
            let outcome = batch.answer(self.queue, &self.keys, answers, own_list, config);
            let end = connection.end_of(&self.keys, &outcome);
            let apart = connection.replies_elsewhere() && !outcome.replies.is_empty();
            let (replied, when_replied) = apart.then(oneshot::channel).unzip();
            told = when_replied;
            let answering = connection.clone().answer(end, outcome, replied);
            self.answering = Some(Box::pin(answering));
        }
        Ok(told)
    }

    /// Answers the batch and takes no messages; the worker goes on.
    pub(super) async fn answer(&mut self, answers: Vec<Answer>) -> Result<(), QueueError> {
        self.begin_to_answer(answers)?;
        let answered = settle(&mut self.answering).await;
        answered.map_err(|error| self.give_up(error))
    }

    /// Answers the batch, and waits for messages behind the answers in one round trip. Returns none if there are none for a while, or only
    /// the wait failed.
    async fn answer_and_take(
        &mut self,
        mut answers: Vec<Answer>,
    ) -> Result<Vec<Vec<u8>>, QueueError> {
        if Failpoint::RepliesSent.is_armed() {
            // They are sent in two steps then: the wait must not come between.
            self.answer(std::mem::take(&mut answers)).await?;
        }
        let replied = self.begin_to_answer(answers)?;
        let Some(connection) = &self.connection else {
            return Err(QueueError::Unavailable("not connected".to_owned()));
        };
        self.waiting = true;
        // The answers are polled first, so they are sent first.
        let exchange = async {
            let answering = pin!(settle(&mut self.answering));
            let taking = async {
                if let Some(replied) = replied
                    && replied.await.is_err()
                {
                    return Err("the replies could not be sent".to_owned());
                }
                connection.wait_and_take(&self.keys, self.batch_max).await
            };
            let taking = pin!(taking);
            match select(answering, taking).await {
                Either::Left((answered, mut taking)) => match poll_immediate(&mut taking).await {
                    Some(taken) => (answered, taken, true),
                    None => (answered, taking.await, false),
                },
                Either::Right((taken, answering)) => (answering.await, taken, true),
            }
        };
        let (answered, taken, at_once) = tokio::select! {
            exchanged = exchange => exchanged,
            () = self.shared.closed.cancelled() => {
                self.abandon(false);
                return Err(QueueError::Closed);
            }
        };
        self.waiting = false;
        answered.map_err(|error| self.give_up(error))?;
        let messages = match taken {
            Ok(messages) => messages,
            Err(error) => {
                self.give_up(error);
                return Ok(Vec::new());
            }
        };
        if std::mem::take(&mut self.broken) {
            tracing::info!(queue = %self.queue, "the worker has reached its queue again");
            self.backoff.reset();
        }
        if let Some(connection) = &mut self.connection {
            connection.crowded = messages.len() > 1 || (at_once && !messages.is_empty());
        }
        Ok(messages)
    }

    /// Closes the connection, on which something failed.
    fn give_up(&mut self, error: String) -> QueueError {
        self.failed(&error);
        self.abandon(false);
        QueueError::Unavailable(error)
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
}

/// Waits until answers that are being sent have arrived, if there are any.
async fn settle(answering: &mut Option<AnswerInFlight>) -> Result<(), String> {
    let Some(sending) = answering else {
        return Ok(());
    };
    let answered = sending.await;
    *answering = None;
    answered
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
            if self.connection.is_some() {
                self.answer(answers).await?;
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
            let messages = match self.answer_and_take(std::mem::take(&mut answers)).await {
                Ok(messages) => messages,
                Err(error) if answered || matches!(error, QueueError::Closed) => return Err(error),
                Err(_) => continue,
            };
            // There may be only malformed messages, and such that came too late: the next exchange ends them.
            let deliveries = self.deliver(messages);
            if !deliveries.is_empty() {
                return Ok(deliveries);
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
        let result = if self.connection.is_some() {
            self.answer(answers).await
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
        self.abandon(!self.waiting && self.answering.is_none());
        let (mut answering, ended) = (self.answering.take(), std::mem::take(&mut self.ended));
        if ended.is_empty() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let queue = self.queue;
        self.shared.tracker.spawn(async move {
            let _ = settle(&mut answering).await;
            for worker in ended {
                if let Err(error) = worker.give_back(&shared).await {
                    tracing::warn!(%queue, %error, "a worker's messages could not be given back; recovery does it later");
                }
            }
        });
    }
}
