//! One connection of one worker, with its own name and processing list. A new connection is a new worker: a late command of an old one
//! touches only the old one's list, which is given back to the source. Knows nothing of the content of messages.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::sync::oneshot;

use super::batch::BatchOutcome;
use super::keys::QueueKeys;
use super::recovery::{self, enroll, give_back};
use super::scripts;
use super::shared::QueueShared;
use crate::connection::MultiplexedConnection;
use crate::refusal;
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::QueueName;

/// Interval between looks for messages while Redis is full: it refuses to wait for them.
const LOOK_WHEN_FULL_MS: u64 = 20;

/// A connected worker. Clones share the connection.
#[derive(Clone, Debug)]
pub(super) struct WorkerConnection {
    shared: Arc<QueueShared>,
    queue: QueueName,
    worker: String,
    processing: String,
    client_id: u64,
    connection: MultiplexedConnection,
    /// Whether several messages seem to wait, so that it pays to ask for more than one.
    pub crowded: bool,
}

/// A worker whose connection was closed.
#[derive(Debug)]
pub(super) struct Ended {
    queue: QueueName,
    worker: String,
    client_id: u64,
    /// Whether it died with its messages, so that they may be the cause.
    died: bool,
}

impl WorkerConnection {
    pub(super) async fn open(
        shared: &Arc<QueueShared>,
        queue: QueueName,
        keys: &QueueKeys,
    ) -> RedisResult<Self> {
        let mut connection = shared.link.dedicated_for(&keys.source).await?;
        let worker = shared.next_worker();
        let mut hello = redis::pipe();
        hello.cmd("CLIENT").arg("SETNAME").arg(&worker).ignore();
        hello.cmd("CLIENT").arg("ID");
        let (client_id,): (u64,) = hello.query_async(&mut connection).await?;
        shared
            .functions
            .enter(shared.connection.clone(), queue)
            .await?;
        let clock = &mut shared.connection.clone();
        enroll(&mut connection, clock, keys, &worker).await?;
        shared.roster.enter(&worker, queue);
        // A Redis that went back has what was left behind before.
        shared.roster.look_on();
        Ok(Self {
            shared: Arc::clone(shared),
            queue,
            processing: keys.processing(&worker),
            worker,
            client_id,
            connection,
            crowded: true,
        })
    }

    /// Whether the replies go to other servers than the end of their batch.
    pub(super) fn replies_elsewhere(&self) -> bool {
        self.shared.link.is_cluster()
    }

    /// Sends a batch's replies and ends the batch, in one round trip; in two where they go to several servers, so that no message is off its
    /// list whose reply isn't sent. `replied` is told between the two.
    pub(super) async fn answer(
        self,
        end: Cmd,
        outcome: BatchOutcome,
        replied: Option<oneshot::Sender<()>>,
    ) -> Result<(), String> {
        let mut pipeline = Pipeline::with_capacity(outcome.replies.len() + 1);
        for reply in outcome.replies {
            pipeline.add_command(reply);
        }
        if Failpoint::RepliesSent.is_armed() && !pipeline.is_empty() {
            // A test comes between the replies and the end.
            match replied {
                None => drop(self.send(&pipeline, Duration::ZERO).await?),
                Some(_) => drop(self.send_elsewhere(&pipeline).await?),
            }
            Failpoint::RepliesSent.pass();
            pipeline.clear();
        }
        let (mut answers, ended) = match replied {
            None => {
                pipeline.add_command(end);
                let mut answers = self.send(&pipeline, Duration::ZERO).await?;
                let ended = answers.pop();
                (answers, ended)
            }
            Some(replied) => {
                let answers = self.send_elsewhere(&pipeline).await?;
                let mut last = Pipeline::with_capacity(1);
                last.add_command(end);
                // Whoever waits to be told sends behind this.
                let _ = replied.send(());
                let ended = self.send(&last, Duration::ZERO).await?.pop();
                (answers, ended)
            }
        };
        let mut again = Pipeline::new();
        for (reply, answer) in pipeline.cmd_iter().zip(&answers) {
            if refusal::is_full(answer) {
                again.add_command(scripts::push_when_full(reply));
            }
        }
        if !again.is_empty() {
            // Beside this connection, which may wait for messages already.
            answers = self.send_elsewhere(&again).await?;
        }
        for answer in answers {
            if let Value::ServerError(error) = answer {
                tracing::warn!(queue = %self.queue, %error, "replies could not be sent: their callers will time out");
            }
        }
        if let Some(Value::ServerError(error)) = ended {
            return Err(refusal::words_of_answer(&error));
        }
        let retries = &outcome.leftovers.retries;
        for delay_ms in retries.iter().map(|retry| retry.0).collect::<BTreeSet<_>>() {
            recovery::put_back_later(&self.shared, self.queue, delay_ms);
        }
        Ok(())
    }

    /// The command that ends a batch.
    pub(super) fn end_of(&self, keys: &QueueKeys, outcome: &BatchOutcome) -> Cmd {
        let (left, config) = (&outcome.leftovers, &self.shared.config);
        scripts::end(keys, &self.processing, outcome.messages, left, config)
    }

    /// Waits for messages, and takes at most `messages_max`; none if the wait was in vain.
    pub(super) async fn wait_and_take(
        &self,
        keys: &QueueKeys,
        messages_max: usize,
    ) -> Result<Vec<Vec<u8>>, String> {
        if self.shared.roster.take_suspicion(self.queue) {
            // A message that several workers died of is alone, so that it is known which one it is.
            let suspect = self.take(&keys.suspects, 1).await?;
            if !suspect.is_empty() {
                self.shared.roster.add_suspicion(self.queue);
                return Ok(suspect);
            }
        }
        let block = Duration::from_millis(self.shared.config.block_ms);
        let mut pipeline = Pipeline::with_capacity(2);
        let wait = pipeline.cmd("BLMOVE").arg(&keys.source);
        wait.arg(&self.processing).arg("LEFT").arg("RIGHT");
        wait.arg(block.as_secs_f64());
        if self.crowded && messages_max > 1 {
            // Redis carries it out after the wait.
            let more = scripts::take(&keys.source, &self.processing, messages_max - 1);
            pipeline.add_command(more);
        }
        let mut answers = self.send(&pipeline, block).await?.into_iter();
        let first = answers.next().unwrap_or_default();
        let mut messages = answers.next().map_or(Ok(Vec::new()), messages_of)?;
        match first {
            Value::BulkString(first) => messages.insert(0, first),
            Value::Nil => {}
            // It can't be waited for.
            full if refusal::is_full(&full) && messages.is_empty() => {
                messages = self.take(&keys.source, messages_max).await?;
                if messages.is_empty() {
                    tokio::time::sleep(Duration::from_millis(LOOK_WHEN_FULL_MS)).await;
                }
            }
            full if refusal::is_full(&full) => {}
            Value::ServerError(error) => return Err(refusal::words_of_answer(&error)),
            other => return Err(format!("unexpected answer {other:?}")),
        }
        Ok(messages)
    }

    /// Takes messages of a list without waiting for them.
    async fn take(&self, list: &str, messages_max: usize) -> Result<Vec<Vec<u8>>, String> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(scripts::take(list, &self.processing, messages_max));
        let mut answers = self.send(&pipeline, Duration::ZERO).await?;
        messages_of(answers.pop().unwrap_or_default())
    }

    /// Sends commands of other slots, or such as don't wait behind this connection's.
    async fn send_elsewhere(&self, pipeline: &Pipeline) -> Result<Vec<Value>, String> {
        let mut connection = self.shared.connection.clone();
        let answers = connection.send_packed_commands(pipeline, 0, pipeline.len());
        answers.await.map_err(|error| refusal::words(&error))
    }

    async fn send(&self, pipeline: &Pipeline, block: Duration) -> Result<Vec<Value>, String> {
        let limit = block + Duration::from_millis(self.shared.config.response_timeout_ms);
        let mut connection = self.connection.clone();
        let answers = connection.send_packed_commands(pipeline, 0, pipeline.len());
        match tokio::time::timeout(limit, answers).await {
            Ok(answers) => answers.map_err(|error| refusal::words(&error)),
            Err(_) => Err(format!("no answer within {} ms", limit.as_millis())),
        }
    }

    /// Closes the connection. The worker's messages must then be given back. `died`: it ended while it handled them.
    pub(super) fn end(self, died: bool) -> Ended {
        self.shared.roster.leave(&self.worker);
        Ended {
            queue: self.queue,
            worker: self.worker,
            client_id: self.client_id,
            died,
        }
    }
}

/// The messages that the script returns.
fn messages_of(answer: Value) -> Result<Vec<Vec<u8>>, String> {
    match answer {
        Value::Array(messages) => Ok(messages.into_iter().filter_map(scripts::bulk).collect()),
        Value::ServerError(error) => Err(refusal::words_of_answer(&error)),
        other => Err(format!("unexpected answer {other:?}")),
    }
}

impl Ended {
    /// Ends what is left of the worker in Redis, gives back its messages and removes it.
    pub(super) async fn give_back(&self, shared: &QueueShared) -> RedisResult<()> {
        let keys = QueueKeys::new(self.queue);
        let mut connection = shared.connection.beside(&keys.source);
        // Its blocked read may outlive the connection briefly. After a restart of the server its id may belong to another connection, hence
        // the name.
        let clients: String = redis::cmd("CLIENT")
            .arg("LIST")
            .arg("ID")
            .arg(self.client_id)
            .query_async(&mut connection)
            .await?;
        if clients.contains(&format!(" name={} ", self.worker)) {
            let _killed: RedisResult<Value> = redis::cmd("CLIENT")
                .arg("KILL")
                .arg("ID")
                .arg(self.client_id)
                .query_async(&mut connection)
                .await;
        }
        give_back(shared, self.queue, &self.worker, self.died, false).await?;
        redis::cmd("ZREM")
            .arg(&keys.workers)
            .arg(&self.worker)
            .query_async(&mut connection)
            .await
    }
}
