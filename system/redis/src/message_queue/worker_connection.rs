//! One connection of one worker, with its own name and processing list. A new connection is a new worker: a late command of an old one
//! touches only the old one's list, which is given back to the source. Knows nothing of the content of messages.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, Value};

use super::keys::QueueKeys;
use super::recovery::{enroll, give_back};
use super::scripts::{self, Leftovers, TAKE, Taken};
use super::shared::QueueShared;
use crate::refusal;
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::QueueName;

/// Interval between looks for messages while Redis is full: it refuses to wait for them.
const LOOK_WHEN_FULL_MS: u64 = 20;

/// A connected worker.
#[derive(Debug)]
pub(super) struct WorkerConnection {
    shared: Arc<QueueShared>,
    queue: QueueName,
    worker: String,
    processing: String,
    client_id: u64,
    connection: MultiplexedConnection,
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

/// The commands of an exchange: the last batch's replies, its end, and the request for the next.
pub(super) struct WorkerExchange {
    pipeline: Pipeline,
    take: Cmd,
}

impl WorkerConnection {
    pub(super) async fn open(
        shared: &Arc<QueueShared>,
        queue: QueueName,
        keys: &QueueKeys,
    ) -> RedisResult<Self> {
        let mut connection = shared.link.dedicated().await?;
        let worker = shared.next_worker();
        let mut hello = redis::pipe();
        hello.cmd("CLIENT").arg("SETNAME").arg(&worker).ignore();
        hello.cmd("CLIENT").arg("ID");
        hello
            .cmd("SCRIPT")
            .arg("LOAD")
            .arg(include_str!("take.lua"))
            .ignore();
        let (client_id,): (u64,) = hello.query_async(&mut connection).await?;
        shared
            .functions
            .enter(shared.connection.clone(), queue)
            .await?;
        enroll(&mut connection, keys, &worker).await?;
        shared.roster.enter(&worker, queue);
        Ok(Self {
            shared: Arc::clone(shared),
            queue,
            processing: keys.processing(&worker),
            worker,
            client_id,
            connection,
        })
    }

    /// Builds the commands that send the replies, end the batch if there is one, and take messages.
    pub(super) fn exchange(
        &self,
        keys: &QueueKeys,
        replies: Vec<Cmd>,
        end: Option<&Leftovers>,
        messages_max: usize,
    ) -> WorkerExchange {
        let take = scripts::take(
            keys,
            &self.processing,
            messages_max,
            end,
            &self.shared.config,
        );
        let mut pipeline = Pipeline::with_capacity(replies.len() + 1);
        for reply in replies {
            pipeline.add_command(reply);
        }
        pipeline.add_command(take.clone());
        WorkerExchange { pipeline, take }
    }

    /// Sends an exchange, in one round trip.
    pub(super) async fn end_and_take(&mut self, exchange: WorkerExchange) -> Result<Taken, String> {
        let WorkerExchange { mut pipeline, take } = exchange;
        if Failpoint::RepliesSent.is_armed() {
            pipeline = self.send_replies_first(pipeline).await?;
        }
        let mut answers = self.send(&pipeline, Duration::ZERO).await?;
        let taken = answers.pop().unwrap_or_default();
        let mut again = Pipeline::new();
        for (reply, answer) in pipeline.cmd_iter().zip(&answers) {
            if refusal::is_full(answer) {
                again.add_command(scripts::push_when_full(reply));
            }
        }
        if !again.is_empty() {
            answers = self.send(&again, Duration::ZERO).await?;
        }
        for answer in answers {
            if let Value::ServerError(error) = answer {
                tracing::warn!(queue = %self.queue, %error, "replies could not be sent: their callers will time out");
            }
        }
        self.taken(taken, take).await
    }

    /// Sends all but the last command, for a test that comes between the two; returns the last one.
    async fn send_replies_first(&mut self, pipeline: Pipeline) -> Result<Pipeline, String> {
        let (mut replies, mut last) = (Pipeline::new(), Pipeline::new());
        for (n, command) in pipeline.cmd_iter().enumerate() {
            let rest = if n + 1 < pipeline.len() {
                &mut replies
            } else {
                &mut last
            };
            rest.add_command(command.clone());
        }
        if !replies.is_empty() {
            self.send(&replies, Duration::ZERO).await?;
            Failpoint::RepliesSent.pass();
        }
        Ok(last)
    }

    /// Waits for a message, then takes more: one round trip too, as Redis answers the rest of the pipeline after the wait.
    pub(super) async fn wait_and_take(
        &mut self,
        keys: &QueueKeys,
        messages_max: usize,
        block: Duration,
    ) -> Result<Taken, String> {
        let mut wait = redis::cmd("BLMOVE");
        wait.arg(&keys.source)
            .arg(&self.processing)
            .arg("LEFT")
            .arg("RIGHT")
            .arg(block.as_secs_f64());
        let take = scripts::take(
            keys,
            &self.processing,
            messages_max,
            None,
            &self.shared.config,
        );
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.add_command(wait);
        pipeline.add_command(take.clone());
        let mut answers = self.send(&pipeline, block).await?;
        let taken = answers.pop().unwrap_or_default();
        let first = match answers.pop() {
            Some(Value::BulkString(message)) => Some(message),
            Some(Value::Nil) => None,
            Some(full) if refusal::is_full(&full) => {
                // It can't be waited for; the script takes what comes.
                tokio::time::sleep(Duration::from_millis(LOOK_WHEN_FULL_MS)).await;
                None
            }
            other => return Err(format!("unexpected answer {other:?}")),
        };
        let mut taken = self.taken(taken, take).await?;
        if let Some(first) = first {
            taken.messages.insert(0, first);
        }
        Ok(taken)
    }

    async fn send(&mut self, pipeline: &Pipeline, block: Duration) -> Result<Vec<Value>, String> {
        let limit = block + Duration::from_millis(self.shared.config.response_timeout_ms);
        let answers = self
            .connection
            .send_packed_commands(pipeline, 0, pipeline.len());
        match tokio::time::timeout(limit, answers).await {
            Ok(answers) => answers.map_err(|error| refusal::words(&error)),
            Err(_) => Err(format!("no answer within {} ms", limit.as_millis())),
        }
    }

    /// Parses the script's reply; if the server has lost the script, loads it and calls it again.
    async fn taken(&mut self, mut answer: Value, take: Cmd) -> Result<Taken, String> {
        if scripts::is_no_script(&answer) {
            let loaded: RedisResult<String> = TAKE.load_async(&mut self.connection).await;
            loaded.map_err(|error| refusal::words(&error))?;
            let mut pipeline = Pipeline::with_capacity(1);
            pipeline.add_command(take);
            answer = self
                .send(&pipeline, Duration::ZERO)
                .await?
                .pop()
                .unwrap_or_default();
        }
        if let Value::ServerError(error) = &answer {
            return Err(refusal::words_of_answer(error));
        }
        Taken::parse(answer).ok_or_else(|| "unexpected reply of the script".to_owned())
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

impl Ended {
    /// Ends what is left of the worker in Redis, gives back its messages and removes it.
    pub(super) async fn give_back(&self, shared: &QueueShared) -> RedisResult<()> {
        let mut connection = shared.connection.clone();
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
        give_back(shared, self.queue, &self.worker, None, self.died).await?;
        let keys = QueueKeys::new(self.queue);
        redis::cmd("ZREM")
            .arg(&keys.workers)
            .arg(&self.worker)
            .query_async(&mut connection)
            .await
    }
}
