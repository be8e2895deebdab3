//! The messages that this process sends. Messages that arrive while a pipeline is under way are sent with the next one, in a single push a
//! queue. No timer: an idle outbox sends at once. Knows nothing of replies except which caller to inform of a failure.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use redis::aio::ConnectionManager;
use redis::{Cmd, Pipeline, Value};
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, oneshot};

use super::Shared;
use super::keys;
use crate::message_queue::{QueueError, QueueName};

/// Messages for one queue that are sent or fail together.
#[derive(Debug)]
pub(super) struct Parcel {
    pub queue: QueueName,
    pub messages: Messages,
    pub owner: Owner,
}

/// Encoded envelopes.
#[derive(Debug)]
pub(super) enum Messages {
    One(Vec<u8>),
    Many(Vec<Vec<u8>>),
}

/// The recipient of the result of a push.
#[derive(Debug)]
pub(super) enum Owner {
    /// A waiting call, by message id: informed only of a failure.
    Call(Arc<str>),
    /// A sender: informed when Redis has the messages.
    Send(oneshot::Sender<Result<(), QueueError>>),
}

impl Messages {
    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(all) => all.len(),
        }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    parcels: VecDeque<Parcel>,
    messages: usize,
    closed: bool,
}

/// The messages that wait to be sent.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// Adds a parcel. Fails if the outbox is full or closed.
    pub(super) fn put(&self, parcel: Parcel, messages_max: usize) -> Result<(), QueueError> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(QueueError::Closed);
        }
        if waiting.messages + parcel.messages.len() > messages_max {
            return Err(QueueError::Overloaded {
                queue: parcel.queue.to_string(),
                depth: waiting.messages as u64,
                depth_max: messages_max as u64,
            });
        }
        waiting.messages += parcel.messages.len();
        waiting.parcels.push_back(parcel);
        let first = waiting.parcels.len() == 1;
        drop(waiting);
        if first {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for parcels; returns at least one, and more up to `messages_max` messages.
    async fn next(&self, messages_max: usize) -> Vec<Parcel> {
        loop {
            {
                let mut waiting = self.lock();
                let mut messages = 0;
                let count = waiting
                    .parcels
                    .iter()
                    .take_while(|parcel| {
                        messages += parcel.messages.len();
                        messages <= messages_max
                    })
                    .count()
                    .max(1)
                    .min(waiting.parcels.len());
                if count > 0 {
                    let parcels: Vec<Parcel> = waiting.parcels.drain(..count).collect();
                    waiting.messages -= parcels
                        .iter()
                        .map(|parcel| parcel.messages.len())
                        .sum::<usize>();
                    return parcels;
                }
            }
            self.filled.notified().await;
            // Other tasks that are ready to send run first: otherwise the runtime would run this task next, for the first message only.
            tokio::task::yield_now().await;
        }
    }

    fn close(&self) -> VecDeque<Parcel> {
        let mut waiting = self.lock();
        waiting.closed = true;
        waiting.messages = 0;
        std::mem::take(&mut waiting.parcels)
    }
}

/// Sends until the queue is closed.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut sender = Sender {
        connection: shared.connection.clone(),
        keys: FxHashMap::default(),
        was_broken: false,
    };
    let send_all = async {
        loop {
            let parcels = shared.outbox.next(shared.config.flush_messages_max).await;
            sender.send(&shared, parcels).await;
        }
    };
    tokio::select! {
        () = send_all => {}
        () = shared.closed.cancelled() => {}
    }
    for parcel in shared.outbox.close() {
        parcel.owner.tell(&shared, Err(QueueError::Closed));
    }
}

struct Sender {
    connection: ConnectionManager,
    keys: FxHashMap<QueueName, String>,
    was_broken: bool,
}

impl Sender {
    async fn send(&mut self, shared: &Shared, parcels: Vec<Parcel>) {
        let mut pushes: Vec<(QueueName, Cmd)> = Vec::new();
        let mut owners: Vec<(usize, Owner)> = Vec::with_capacity(parcels.len());
        for parcel in parcels {
            // A flush has few queues: a scan is quicker than a map.
            let at = pushes.iter().position(|(queue, _)| *queue == parcel.queue);
            let at = at.unwrap_or_else(|| {
                let key = self
                    .keys
                    .entry(parcel.queue)
                    .or_insert_with(|| keys::source(parcel.queue));
                let mut push = redis::cmd("RPUSH");
                push.arg(&*key);
                pushes.push((parcel.queue, push));
                pushes.len() - 1
            });
            match &parcel.messages {
                Messages::One(message) => {
                    pushes[at].1.arg(&message[..]);
                }
                Messages::Many(messages) => {
                    for message in messages {
                        pushes[at].1.arg(&message[..]);
                    }
                }
            }
            owners.push((at, parcel.owner));
        }
        let mut pipeline = Pipeline::with_capacity(pushes.len());
        let mut queues = Vec::with_capacity(pushes.len());
        for (queue, push) in pushes {
            queues.push(queue);
            pipeline.add_command(push);
        }
        match self
            .connection
            .send_packed_commands(&pipeline, 0, queues.len())
            .await
        {
            Ok(answers) => {
                self.was_broken = false;
                let results: Vec<Result<(), QueueError>> = queues
                    .iter()
                    .zip(answers)
                    .map(|(queue, answer)| pushed(shared, *queue, &answer))
                    .collect();
                for (at, owner) in owners {
                    let result = results.get(at).cloned();
                    owner.tell(
                        shared,
                        result.unwrap_or_else(|| Err(unavailable("an answer is missing"))),
                    );
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.was_broken, true) {
                    tracing::warn!(%error, "messages could not be sent");
                }
                for (_, owner) in owners {
                    owner.tell(shared, Err(unavailable(&error)));
                }
            }
        }
    }
}

fn pushed(shared: &Shared, queue: QueueName, answer: &Value) -> Result<(), QueueError> {
    match answer {
        Value::Int(depth) => {
            shared
                .overload
                .seen(queue, u64::try_from(*depth).unwrap_or(0));
            Ok(())
        }
        Value::ServerError(error) => Err(unavailable(error)),
        other => Err(unavailable(format!("unexpected answer {other:?}"))),
    }
}

impl Owner {
    fn tell(self, shared: &Shared, result: Result<(), QueueError>) {
        match (self, result) {
            (Self::Call(id), Err(error)) => shared.waiters.fail(&id, &error),
            (Self::Call(_), Ok(())) => {}
            (Self::Send(sender), result) => {
                let _ = sender.send(result);
            }
        }
    }
}

pub(super) fn unavailable(reason: impl ToString) -> QueueError {
    QueueError::Unavailable(reason.to_string())
}
