//! What the queue's tasks and workers share.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::shared_connection::SharedConnection;
use ordershop_contract::message_queue::{QueueError, QueueName};
use ordershop_contract::metrics::{QueueLabels, QueueMetrics};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::RedisClock;
use super::config::QueueConfig;
use super::functions::Functions;
use super::outbox::{Messages, Outbox, Owner, Parcel};
use super::overload::Overload;
use super::roster::Roster;
use super::waiters::Waiters;
use crate::connection::RedisLink;

/// The state that the queue's tasks and workers share.
#[derive(Debug)]
pub(super) struct QueueShared {
    pub(super) link: RedisLink,
    pub(super) connection: SharedConnection,
    pub(super) metrics: QueueMetrics,
    pub(super) config: QueueConfig,
    /// A unique name of this process's queue; its reply list and its workers are named after it.
    pub(super) instance: String,
    pub(super) reply_key: String,
    pub(super) clock: RedisClock,
    pub(super) outbox: Outbox,
    /// What replicas must have before its sender is told, if they are asked for. Waiting for them blocks a connection, so it has its own.
    pub(super) replicated: Outbox,
    pub(super) overload: Overload,
    pub(super) waiters: Waiters,
    pub(super) roster: Roster,
    pub(super) functions: Functions,
    pub(super) workers_opened: AtomicU64,
    pub(super) closed: CancellationToken,
    /// Tasks that give back the messages of dropped workers, or put back delayed ones.
    pub(super) tracker: TaskTracker,
}

impl QueueShared {
    pub(super) fn next_worker(&self) -> String {
        let number = self.workers_opened.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number}", self.instance)
    }

    /// Counts messages that were dropped because their callers had given up.
    pub(super) fn expired(&self, queue: QueueName, messages: usize) {
        let labels = QueueLabels {
            queue: queue.to_string(),
        };
        let expired = self.metrics.messages_expired.get_or_create(&labels);
        expired.inc_by(messages as u64);
    }

    pub(super) fn put(
        &self,
        queue: QueueName,
        messages: Messages,
        owner: Owner,
    ) -> Result<(), QueueError> {
        let parcel = Parcel {
            queue,
            messages,
            owner,
        };
        let outbox = match parcel.owner {
            Owner::Send(_) if self.config.replicas.ack > 0 => &self.replicated,
            _ => &self.outbox,
        };
        outbox.put(parcel, self.config.outbox_messages_max)
    }
}
