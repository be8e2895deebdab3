//! The event store as every service sees it: append transactions, subscribe in a consumer group, read, follow.
//! Knows nothing of Redis; a Redis implementation (and, between processes, gRPC) stands behind it.

pub mod redis;

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::value::RawValue;

use crate::correlation::Correlation;
use crate::event_lag::LagHistogram;
use crate::position::Position;
use crate::topic::Topic;

/// What an aggregate's version must be for a transaction to be written. An aggregate's first event makes it version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// No event of this aggregate exists.
    NoStream,
    /// Exactly so many events of this aggregate exist (at least 1).
    Exact(u64),
    /// Any number of events, none included.
    Any,
}

/// An event to append.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Deterministic where a repeat must be known again.
    pub event_id: String,
    /// `entity_created`, `entity_updated`, …
    pub action: Cow<'static, str>,
    /// The aggregate whose order is kept.
    pub aggregate_id: String,
    /// Checked against the aggregate's version before the event (earlier events of the same transaction counted).
    pub expected: ExpectedVersion,
    /// JSON object.
    pub data: Box<RawValue>,
    /// The request and the direct cause.
    pub correlation: Correlation,
}

/// A name within a topic that at most one holder may have, such as "the billing of order X".
/// Kept beside the versions, written in the same transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Must be free; is taken.
    Take(String),
    /// Becomes free; it is no conflict if it was free already.
    Release(String),
}

/// Events of one topic that are written all or not at all.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// A transaction never spans topics.
    pub topic: Topic,
    /// 1 to [`EVENTS_PER_TRANSACTION_MAX`], written in this order and next to each other.
    pub events: Vec<NewEvent>,
    /// Claims taken or released with them.
    pub claims: Vec<Claim>,
}

/// The most events that one transaction may have (an array of 10,000 entities is split by its service).
pub const EVENTS_PER_TRANSACTION_MAX: usize = 10_000;

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// Written. The position of its last event.
    Committed {
        /// Position of the transaction's last event.
        position: Position,
    },
    /// Nothing was written: a version or a claim was not as expected.
    Conflict {
        /// The aggregate or the claim at fault.
        key: String,
        /// The aggregate's version now (0: none); for a claim 1 (taken).
        version: u64,
        /// The topic's last position when it was checked: who reads up to it sees what was in the way.
        position: Position,
    },
}

/// An event as it was recorded.
#[derive(Clone, Debug)]
pub struct RecordedEvent {
    /// Its topic.
    pub topic: Topic,
    /// Where it stands in its topic's stream.
    pub position: Position,
    /// Unique; deterministic for reactions.
    pub event_id: String,
    /// `entity_created`, …
    pub action: String,
    /// The aggregate it belongs to.
    pub aggregate_id: String,
    /// The aggregate's version with this event, from 1, without gaps.
    pub version: u64,
    /// JSON object.
    pub data: Box<RawValue>,
    /// Microseconds since the Unix epoch, when the event store wrote it.
    pub published_at_us: u64,
    /// The request and the direct cause.
    pub correlation: Correlation,
}

/// A consumer group's wish to be told of a topic.
#[derive(Clone, Debug)]
pub struct SubscribeRequest {
    /// The consumer group: the service's name.
    pub group: String,
    /// The topic.
    pub topic: Topic,
    /// This instance's name, unique among the instances that run.
    pub consumer: String,
    /// Most events a batch, 1–10,000.
    pub batch_max: usize,
}

/// Where a consumer group stands in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// The consumer group.
    pub group: String,
    /// The topic.
    pub topic: Topic,
    /// Entries not delivered yet; `None` where the server can't tell.
    pub undelivered: Option<u64>,
    /// Delivered, not acknowledged.
    pub pending: u64,
    /// Entries in the group's dead-letter stream.
    pub dead_letters: u64,
    /// How long after their publication its events were acknowledged, through this event store's process since its start.
    pub lag: LagHistogram,
}

/// What the server under the store says of its own work since its start; everything that uses it is in these figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerUsage {
    /// CPU time of its process, user and system, in microseconds.
    pub cpu_us: u64,
    /// Commands carried out, each one of a transaction counted.
    pub commands: u64,
    /// Bytes read from its clients.
    pub input_bytes: u64,
    /// Bytes written to its clients.
    pub output_bytes: u64,
    /// Bytes that its data take now.
    pub memory_bytes: u64,
}

/// Why the event store couldn't do it. Nothing was answered as written that isn't.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EventStoreError {
    /// The store can't be reached or is starting; trying again may help.
    #[error("the event store is not available: {0}")]
    Unavailable(String),
    /// Too much is waiting already; trying again later may help.
    #[error("the event store is overloaded: {0}")]
    Overloaded(String),
    /// The connection broke and nobody could learn whether the transaction was written; a repeat is safe.
    #[error("it is not known whether the events were written: {0}")]
    Indeterminate(String),
    /// The request itself is wrong.
    #[error("bad request to the event store: {0}")]
    Invalid(String),
    /// The store is shutting down.
    #[error("the event store is shutting down")]
    Closed,
}

/// The event store: the single writer of its streams, and the event bus.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Appends transactions, each all or none. Answers in the order of the transactions. Transactions of one call and topic
    /// are checked and written in their order. Returns when they are written (under the chosen durability).
    async fn append(
        &self,
        transactions: Vec<Transaction>,
    ) -> Result<Vec<Appended>, EventStoreError>;

    /// Joins a consumer group (created at the topic's start where it doesn't exist). One consumer a group and topic is active,
    /// the others stand by in [`EventSubscription::next_batch`].
    async fn subscribe(
        &self,
        request: SubscribeRequest,
    ) -> Result<Box<dyn EventSubscription>, EventStoreError>;

    /// The events after a position, at most `limit` (1–10,000), oldest first.
    async fn read(
        &self,
        topic: Topic,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, EventStoreError>;

    /// The position of the topic's last event ([`Position::START`] when there is none).
    async fn last_position(&self, topic: Topic) -> Result<Position, EventStoreError>;

    /// Waits until there are events after `after`, without a group; empty after `wait_max`. For the live feed.
    async fn follow(
        &self,
        topic: Topic,
        after: Position,
        limit: usize,
        wait_max: Duration,
    ) -> Result<Vec<RecordedEvent>, EventStoreError>;

    /// Where every consumer group of every topic stands.
    async fn groups(&self) -> Result<Vec<GroupStatus>, EventStoreError>;

    /// What the server under it has had to do; nothing where there is none, or it doesn't tell.
    async fn server_usage(&self) -> Result<Option<ServerUsage>, EventStoreError> {
        Ok(None)
    }
}

/// One consumer's place in a group. Dropping it gives its place up.
#[async_trait]
pub trait EventSubscription: Send {
    /// Waits for the next batch, in stream order; never empty. After a start or a takeover, what was delivered and never
    /// acknowledged comes first. Acknowledge a batch before asking for the next: what is not comes again.
    async fn next_batch(&mut self) -> Result<Vec<RecordedEvent>, EventStoreError>;

    /// Waits for what comes after the last batch though that isn't acknowledged yet: it stays to be acknowledged, and comes again
    /// after a takeover only. For who must wait before acknowledging and may not hold up what is new meanwhile; such a consumer
    /// bounds by itself how much it leaves unacknowledged. A store may not offer it.
    async fn next_batch_ahead(&mut self) -> Result<Vec<RecordedEvent>, EventStoreError> {
        Err(EventStoreError::Invalid(
            "this event store gives no batch before the one before is acknowledged".to_owned(),
        ))
    }

    /// Says that the effects of these events are done.
    async fn ack(&mut self, positions: &[Position]) -> Result<(), EventStoreError>;

    /// Puts an event that can't be handled into the group's dead-letter stream with the reason, and acknowledges it.
    async fn dead_letter(
        &mut self,
        event: &RecordedEvent,
        reason: &str,
    ) -> Result<(), EventStoreError>;
}
