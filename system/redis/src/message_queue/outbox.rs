//! What this process is to send. Knows nothing of how it is sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, oneshot};

use crate::refusal;
use ordershop_contract::message_queue::{QueueError, QueueName};

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
    One(Arc<[u8]>),
    Many(Vec<Vec<u8>>),
    /// A message whose outcome is kept under a key of its own.
    Kept {
        key: String,
        message: Vec<u8>,
    },
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
            Self::One(_) | Self::Kept { .. } => 1,
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
    pub(super) async fn next(&self, messages_max: usize) -> Vec<Parcel> {
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

    pub(super) fn close(&self) -> VecDeque<Parcel> {
        let mut waiting = self.lock();
        waiting.closed = true;
        waiting.messages = 0;
        std::mem::take(&mut waiting.parcels)
    }
}

pub(super) fn unavailable(error: redis::RedisError) -> QueueError {
    QueueError::Unavailable(refusal::words(&error))
}

/// The error of messages that were on their way when the connection broke.
pub(super) fn unsent(error: &redis::RedisError) -> QueueError {
    // Whatever was refused by the server, or never left for it, isn't in the queue.
    if error.is_connection_refusal() || matches!(error.kind(), redis::ErrorKind::Server(_)) {
        return QueueError::Unavailable(refusal::words(error));
    }
    QueueError::Indeterminate(error.to_string())
}
