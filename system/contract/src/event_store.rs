//! The event store's interface: append transactions, subscribe in a consumer group, read, follow. Knows nothing of Redis; it is implemented
//! on Redis and, between processes, over gRPC.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::correlation::Correlation;
use crate::epoch::Epoch;
use crate::event_lag::LagHistogram;
use crate::id::{EntityId, EventId};
use crate::partition::{Partition, Partitions};
use crate::position::{Position, Positions, Projected};
use crate::topic::Topic;

/// The version that an aggregate must have for a transaction to be written. An aggregate's first event makes it version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExpectedVersion {
    /// No event of this aggregate exists.
    NoStream,
    /// Exactly this number of events of this aggregate exists (at least 1).
    Exact(u64),
    /// Any number of events exists, or none.
    Any,
}

/// An event to append.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewEvent {
    /// Unique; deterministic where a repeat must be recognised.
    pub event_id: EventId,
    /// `entity_created`, `entity_updated`, …
    pub action: Cow<'static, str>,
    /// The aggregate within which the order of events is kept.
    pub entity_id: EntityId,
    /// Compared with the aggregate's version before this event; earlier events of the same transaction count.
    pub expected: ExpectedVersion,
    /// The event's data: a JSON object.
    pub data: Box<RawValue>,
    /// The request and the direct cause of the event.
    pub correlation: Correlation,
}

/// A name within a topic that has at most one holder, such as "the billing of order X". It is stored beside the versions and written in the
/// same transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Claim {
    /// Takes the name; a conflict if it is taken already.
    Take(String),
    /// Releases the name; no conflict if it is free already.
    Release(String),
}

/// Events of one partition that are written all or not at all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transaction {
    /// The partition of all its events: a transaction never spans topics or partitions.
    #[serde(rename = "topic")]
    pub partition: Partition,
    /// 1 to [`EVENTS_PER_TRANSACTION_MAX`] events, written in this order, without events of others in between.
    pub events: Vec<NewEvent>,
    /// The claims that are taken or released with the events.
    pub claims: Vec<Claim>,
    /// The events that led to these. They are written only while those are there: after Redis has lost a cause, its effect is decided again.
    #[serde(default)]
    pub causes: Positions,
}

impl Transaction {
    /// Events of one partition, without claims and causes.
    #[must_use]
    pub fn of(partition: impl Into<Partition>, events: Vec<NewEvent>) -> Self {
        Self {
            partition: partition.into(),
            events,
            claims: Vec::new(),
            causes: Positions::NONE,
        }
    }
}

/// The maximum number of events in one transaction.
pub const EVENTS_PER_TRANSACTION_MAX: usize = 10_000;

/// The result of appending one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Appended {
    /// The transaction was written.
    Committed {
        /// The position of the transaction's last event.
        position: Position,
    },
    /// Nothing was written: a version or a claim was not as expected.
    Conflict {
        /// The aggregate or the claim that caused the conflict.
        key: String,
        /// The aggregate's present version (0: it has no events); 1 for a claim that is taken.
        version: u64,
        /// The partition's last position at the time of the check. A reader that has read up to it sees the cause of the conflict.
        position: Position,
    },
}

/// An event as it was recorded.
#[derive(Clone, Debug)]
pub struct RecordedEvent {
    /// Its partition.
    pub partition: Partition,
    /// Its position in its partition's stream.
    pub position: Position,
    /// Unique; deterministic where a saga caused the event.
    pub event_id: EventId,
    /// `entity_created`, …
    pub action: String,
    /// The aggregate it belongs to.
    pub entity_id: EntityId,
    /// The aggregate's version after this event: from 1, without gaps.
    pub version: u64,
    /// The event's data: a JSON object.
    pub data: Box<RawValue>,
    /// The time at which the event store wrote it: microseconds since the Unix epoch.
    pub published_at_us: u64,
    /// The request and the direct cause of the event.
    pub correlation: Correlation,
}

/// The group of the read model's projections. It keeps its position itself, in one transaction with its entities: it is given the events after
/// that position, and to acknowledge them only says that they are handled.
pub const READ_MODEL: &str = "read-model";

/// A request to join a consumer group of a partition.
#[derive(Clone, Debug)]
pub struct SubscribeRequest {
    /// The consumer group: the service's name, or [`READ_MODEL`].
    pub group: String,
    /// The partition.
    pub partition: Partition,
    /// This instance's name, unique among the running instances.
    pub consumer: String,
    /// The maximum number of events in a batch, 1–10,000.
    pub batch_max: usize,
}

/// A consumer group's progress in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// The consumer group.
    pub group: String,
    /// The partition.
    pub partition: Partition,
    /// Entries that are not delivered yet; `None` if the server doesn't know the number.
    pub undelivered: Option<u64>,
    /// Entries that were delivered since the stream's start, acknowledged or not; `None` if the server doesn't know the number.
    pub delivered: Option<u64>,
    /// Entries that are delivered and not acknowledged.
    pub pending: u64,
    /// Entries in the group's dead-letter stream.
    pub dead_letters: u64,
    /// The event lag: the time from publication to acknowledgement, measured by this event store's process since its start.
    pub lag: LagHistogram,
}

/// How far the read model has applied the partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The position up to which each partition is applied.
    pub positions: Positions,
    /// When the latest batches with events of sampled requests were applied.
    pub batches: Vec<Projected>,
}

/// The store's server's own account of its work since its start, for all its clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerUsage {
    /// CPU time of its process, user and system, in microseconds.
    pub cpu_us: u64,
    /// Commands executed; each command of a transaction counts.
    pub commands: u64,
    /// How often each command was called, by its lower-case name: `xadd`, `xinfo|groups`. Those within scripts count too.
    pub calls: BTreeMap<String, u64>,
    /// Bytes read from its clients.
    pub input_bytes: u64,
    /// Bytes written to its clients.
    pub output_bytes: u64,
    /// Bytes of memory that its data take now.
    pub memory_bytes: u64,
}

/// The product name, version and durability of the server under the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// `redis` or `valkey`.
    pub server: String,
    /// The server's version; empty until the server is reached for the first time.
    pub version: String,
    /// `none`, `everysec`, `always`, `aof without sync`, or `unknown` if CONFIG is forbidden.
    pub durability: String,
}

/// An error of the event store. No event is ever reported as written that isn't.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
pub enum EventStoreError {
    /// The store can't be reached or is starting; a retry may succeed.
    #[error("the event store is not available: {0}")]
    Unavailable(String),
    /// Too many events wait already; a later retry may succeed.
    #[error("the event store is overloaded: {0}")]
    Overloaded(String),
    /// The connection broke before it was known whether the transaction was written, or too few replicas have it; a repeat is safe.
    #[error("it is not known whether the events were written: {0}")]
    Indeterminate(String),
    /// The request is malformed; a retry fails too.
    #[error("bad request to the event store: {0}")]
    Invalid(String),
    /// The store is shutting down.
    #[error("the event store is shutting down")]
    Closed,
}

/// The event store: the only writer of its streams, and the event bus.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// How many partitions each topic has.
    fn partitions(&self) -> Partitions {
        Partitions::ONE
    }

    /// Appends transactions, each all or none, and returns a result for each, in their order. Transactions of one call and partition are
    /// checked and written in their order, in one commit. One that expects a version of an aggregate that a refused one before it would have
    /// changed is refused, too: it was decided on what isn't there. Returns when they are written (with the configured durability).
    /// Unavailable if the store has lost a cause: what depends on it must be decided again.
    async fn append(
        &self,
        transactions: Vec<Transaction>,
    ) -> Result<Vec<Appended>, EventStoreError>;

    /// Joins a consumer group, which is created at the partition's start if it doesn't exist. One consumer of a group and partition is active; the
    /// others stand by in [`EventSubscription::next_batch`].
    async fn subscribe(
        &self,
        request: SubscribeRequest,
    ) -> Result<Box<dyn EventSubscription>, EventStoreError>;

    /// Returns the events after a position, at most `limit` (1–10,000), oldest first.
    async fn read(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, EventStoreError>;

    /// Returns the partitions of a topic in which a claim is taken now.
    async fn claimed(&self, topic: Topic, claim: &str) -> Result<Vec<Partition>, EventStoreError>;

    /// Returns the position of the partition's last event, or [`Position::START`] if there is none.
    async fn last_position(&self, partition: Partition) -> Result<Position, EventStoreError>;

    /// Whether the event at a position that was read before is gone: the store went back behind it. Nothing is gone at [`Position::START`].
    async fn is_gone(
        &self,
        partition: Partition,
        position: Position,
    ) -> Result<bool, EventStoreError> {
        if position == Position::START {
            return Ok(false);
        }
        let there = self.read(partition, position.just_before(), 1).await?;
        Ok(there.first().is_none_or(|event| event.position != position))
    }

    /// Waits for events after `after`, outside any group; empty after `wait_max`. Used by the live feed.
    async fn follow(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
        wait_max: Duration,
    ) -> Result<Vec<RecordedEvent>, EventStoreError>;

    /// Waits until the read model has applied a partition beyond `after`, at most `wait_max`; returns how far it has applied each, and the batches
    /// after `after`. The read model's transactions tell it, so that nobody has to ask the read model again and again.
    async fn applied(
        &self,
        after: &Positions,
        wait_max: Duration,
    ) -> Result<Applied, EventStoreError>;

    /// Returns the progress of every consumer group in every partition.
    async fn groups(&self) -> Result<Vec<GroupStatus>, EventStoreError>;

    /// Returns the usage of the store's server; `None` if it has none or it doesn't report it.
    async fn server_usage(&self) -> Result<Option<ServerUsage>, EventStoreError> {
        Ok(None)
    }

    /// Accepts no more requests, and answers or fails those under way; subscriptions end with [`EventStoreError::Closed`]. A store without
    /// connections and tasks has nothing to close.
    async fn close(&self) {}
}

/// One consumer's membership in a group. Dropping it leaves the group.
#[async_trait]
pub trait EventSubscription: Send {
    /// Waits for the next batch, in stream order; never empty. After a start or a takeover, events that were delivered and never
    /// acknowledged come first. Acknowledge a batch before asking for the next; unacknowledged events are delivered again.
    async fn next_batch(&mut self) -> Result<Vec<RecordedEvent>, EventStoreError>;

    /// Waits for the events after the last batch, even if that batch isn't acknowledged yet. It can be acknowledged later, and is delivered
    /// again only after a takeover. For consumers that acknowledge late without holding up new events; such a consumer must bound its
    /// unacknowledged events itself. Cancelling the wait loses no events, here and in [`EventSubscription::next_batch`].
    async fn next_batch_ahead(&mut self) -> Result<Vec<RecordedEvent>, EventStoreError>;

    /// Acknowledges events in one round trip with the wait for the next batch, where the store can, or with what [`Self::ack`] acknowledges before
    /// that. If neither follows, they are delivered again.
    async fn ack_with_next(&mut self, done: &[Position]) -> Result<(), EventStoreError> {
        self.ack(done).await
    }

    /// The epoch of the last batch. If it isn't that of the batch before, the store may have gone back meanwhile: whatever was remembered of
    /// it must be dropped before the batch is handled. A store that never goes back keeps one epoch.
    fn epoch(&self) -> Epoch {
        Epoch::default()
    }

    /// Whether the last batch ended with the partition's last event, as of the moment when it was read: what the batch leaves of an entity is what
    /// there was of it then. `false` for events that are delivered again, as later ones may have been delivered before.
    fn reaches_end(&self) -> bool {
        false
    }

    /// Tells whoever waits in [`EventStore::applied`] that the partition is applied up to `position`, when the next batch is waited for at the latest.
    /// Of [`READ_MODEL`] only. It may be lost.
    fn tell_applied(&mut self, position: Position) {
        let _ = position;
    }

    /// Acknowledges events: their effects are done.
    async fn ack(&mut self, positions: &[Position]) -> Result<(), EventStoreError>;

    /// Puts an event that can't be handled into the group's dead-letter stream, with the reason, and acknowledges it. [`READ_MODEL`] writes its
    /// dead letters itself, with its position.
    async fn dead_letter(
        &mut self,
        event: &RecordedEvent,
        reason: &str,
    ) -> Result<(), EventStoreError>;
}
