//! A queue and an event store in memory, for faults that a real Redis can't produce at a chosen moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ordershop_contract::correlation::Correlation;
use ordershop_contract::dead_letters::{DeadLetter, DeadLetterRequest};
use ordershop_contract::event_lag::LagHistogram;
use ordershop_contract::event_store::{
    Appended, Applied, EventStore, EventStoreError, EventSubscription, GroupStatus, RecordedEvent,
    SubscribeRequest, Transaction,
};
use ordershop_contract::message_queue::{
    MessageOutcome, MessageQueue, OutgoingMessage, QueueConsumer, QueueError, QueueName,
    QueueStatus,
};
use ordershop_contract::partition::Partition;
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

/// The result of a call.
pub type Reply = Result<Box<RawValue>, QueueError>;

/// A service's reply as JSON.
pub fn json(text: &str) -> Reply {
    Ok(RawValue::from_string(text.to_owned()).unwrap())
}

/// A queue on which one function answers all messages.
pub struct FakeQueue(Box<dyn Fn(OutgoingMessage) -> BoxFuture<'static, Reply> + Send + Sync>);

impl FakeQueue {
    pub fn new<F: Future<Output = Reply> + Send + 'static>(
        answer: impl Fn(OutgoingMessage) -> F + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(move |message| answer(message).boxed()))
    }

    /// Answers all messages with the same reply.
    pub fn replies(text: &'static str) -> Self {
        Self::new(move |_| async move { json(text) })
    }
}

#[async_trait]
impl MessageQueue for FakeQueue {
    async fn call(&self, message: OutgoingMessage, _: Duration) -> Reply {
        (self.0)(message).await
    }

    async fn send(&self, messages: Vec<OutgoingMessage>) -> Result<(), QueueError> {
        for message in messages {
            (self.0)(message).await?;
        }
        Ok(())
    }

    async fn submit(&self, message: OutgoingMessage) -> Result<(), QueueError> {
        self.send(vec![message]).await
    }

    async fn outcome(
        &self,
        _: &[QueueName],
        _: &str,
    ) -> Result<Option<MessageOutcome>, QueueError> {
        Ok(None)
    }

    async fn dead_letters(&self, _: DeadLetterRequest) -> Result<Vec<DeadLetter>, QueueError> {
        Ok(Vec::new())
    }

    async fn consume(&self, _: QueueName, _: usize) -> Result<Box<dyn QueueConsumer>, QueueError> {
        Err(QueueError::Closed)
    }

    async fn status(&self, _: &[QueueName]) -> Result<Vec<QueueStatus>, QueueError> {
        Err(QueueError::Unavailable("a fake has no depth".into()))
    }
}

/// An event store with as many events in topic `order` as the test permits.
pub struct FakeStore {
    away: bool,
    event_bytes: usize,
    /// The number of events of topic `order` that were there before the test began.
    history: u64,
    /// One permit for each event that may still be delivered.
    pub events: Semaphore,
    /// The number of events delivered so far.
    pub delivered: AtomicU64,
    /// The events of topic `order` that wait for the inventory service, of which it handles one before each look.
    pub waiting: AtomicU64,
    handled: AtomicU64,
}

impl FakeStore {
    /// Creates a store whose events have about `event_bytes` bytes.
    pub fn with_events_of(event_bytes: usize) -> Self {
        Self {
            away: false,
            event_bytes,
            history: 0,
            events: Semaphore::new(0),
            delivered: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            handled: AtomicU64::new(0),
        }
    }

    /// Creates a store that begins with `count` events.
    pub fn with_history_of(count: usize, event_bytes: usize) -> Self {
        Self {
            history: count as u64,
            delivered: AtomicU64::new(count as u64),
            ..Self::with_events_of(event_bytes)
        }
    }

    pub fn empty() -> Self {
        Self::with_events_of(0)
    }

    /// Creates a store that can't be reached.
    pub fn away() -> Self {
        Self {
            away: true,
            ..Self::empty()
        }
    }

    fn reach(&self) -> Result<(), EventStoreError> {
        if self.away {
            return Err(EventStoreError::Unavailable("the fake is away".into()));
        }
        Ok(())
    }

    fn event(&self) -> RecordedEvent {
        self.recorded(self.delivered.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn recorded(&self, seq: u64) -> RecordedEvent {
        let data = format!("{{\"text\":\"{}\"}}", "x".repeat(self.event_bytes));
        RecordedEvent {
            partition: Topic::Order.into(),
            position: Position { ms: 1, seq },
            event_id: seq.to_string().into(),
            action: "entity_updated".into(),
            entity_id: "a".into(),
            version: seq,
            data: RawValue::from_string(data).unwrap(),
            published_at_us: 1,
            correlation: Correlation {
                correlation_id: "c".into(),
                causation_id: "c".into(),
                times: None,
            },
        }
    }
}

#[async_trait]
impl EventStore for FakeStore {
    async fn append(&self, _: Vec<Transaction>) -> Result<Vec<Appended>, EventStoreError> {
        Err(EventStoreError::Closed)
    }

    async fn subscribe(
        &self,
        _: SubscribeRequest,
    ) -> Result<Box<dyn EventSubscription>, EventStoreError> {
        Err(EventStoreError::Closed)
    }

    async fn read(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, EventStoreError> {
        self.reach()?;
        let there = if partition == Topic::Order.into() {
            self.history
        } else {
            0
        };
        let unread = (after.seq + 1..=there).take(limit);
        Ok(unread.map(|seq| self.recorded(seq)).collect())
    }

    /// This store never goes back.
    async fn is_gone(&self, _: Partition, _: Position) -> Result<bool, EventStoreError> {
        Ok(false)
    }

    async fn claimed(&self, _: Topic, _: &str) -> Result<Vec<Partition>, EventStoreError> {
        Err(EventStoreError::Closed)
    }

    async fn last_position(&self, _: Partition) -> Result<Position, EventStoreError> {
        self.reach()?;
        let seq = self.delivered.load(Ordering::SeqCst);
        Ok(Position { ms: 1, seq })
    }

    async fn follow(
        &self,
        partition: Partition,
        _: Position,
        _: usize,
        wait_max: Duration,
    ) -> Result<Vec<RecordedEvent>, EventStoreError> {
        self.reach()?;
        if partition != Topic::Order.into() {
            tokio::time::sleep(wait_max).await;
            return Ok(Vec::new());
        }
        match tokio::time::timeout(wait_max, self.events.acquire()).await {
            Ok(permit) => {
                permit.unwrap().forget();
                Ok(vec![self.event()])
            }
            Err(_) => Ok(Vec::new()),
        }
    }

    async fn applied(&self, _: &Positions, wait_max: Duration) -> Result<Applied, EventStoreError> {
        tokio::time::sleep(wait_max).await;
        self.reach().map(|()| Applied::default())
    }

    async fn groups(&self) -> Result<Vec<GroupStatus>, EventStoreError> {
        self.reach()?;
        Ok(vec![GroupStatus {
            group: "inventory-service".to_owned(),
            partition: Topic::Order.into(),
            undelivered: Some(self.waiting.load(Ordering::SeqCst)),
            delivered: Some(self.handled.fetch_add(1, Ordering::SeqCst)),
            pending: 0,
            dead_letters: 0,
            lag: LagHistogram::default(),
        }])
    }
}
