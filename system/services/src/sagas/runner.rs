//! The loop of every saga: reads a batch, handles it, acknowledges it. Waits while a dependency is away. An event that keeps failing goes
//! to the dead letters, so that it doesn't block those behind it.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::facts::{FactsError, Versioned};
use ordershop_contract::backoff::Backoff;
use ordershop_contract::clock::until_tick;
use ordershop_contract::correlation::Correlation;
use ordershop_contract::epoch::Epoch;
use ordershop_contract::event_store::{
    EventStoreError, EventSubscription, RecordedEvent, SubscribeRequest,
};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::QueueError;
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::{WireEntity, action};
use ordershop_contract::worker::ServiceContext;

/// Maximum events handled at once.
const BATCH_EVENTS_MAX: usize = 256;
/// An event that fails this often, alone, becomes a dead letter.
const TRIES_MAX: u32 = 5;

/// The reason why a batch wasn't handled.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A dependency is away: retried without limit.
    #[error("{0}")]
    Unavailable(String),
    /// Handling failed: retried a few times.
    #[error("{0}")]
    Failed(String),
    /// An event's data is malformed: not retried.
    #[error("{0}")]
    Unreadable(String),
}

impl From<FactsError> for Failure {
    fn from(error: FactsError) -> Self {
        if error.is_transient() {
            Self::Unavailable(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}

impl From<EventStoreError> for Failure {
    fn from(error: EventStoreError) -> Self {
        match error {
            EventStoreError::Invalid(_) => Self::Failed(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// A service's reaction to the events of one partition of a topic.
#[async_trait]
pub trait Saga: Send + 'static {
    /// The consumer group: the service's name.
    const GROUP: &'static str;

    /// How long it leaves events in the topic after a batch, so that more are handled together: for reactions that nobody waits for.
    fn linger(&self) -> Duration {
        Duration::ZERO
    }

    /// Drops whatever it remembers of the event store, which may have gone back: a remembered version may be another event's now.
    /// A saga that remembers nothing has nothing to drop.
    fn forget(&mut self) {}

    /// Handles a batch, in the order of its events. Must be safe to repeat, whole or in part. `is_latest`: the topic had no later events when
    /// the batch was read, and this is the first attempt.
    ///
    /// # Errors
    /// Not all events were handled.
    async fn handle(&mut self, batch: &[RecordedEvent], is_latest: bool) -> Result<(), Failure>;
}

/// Starts a saga on each partition of a topic; `saga` makes one for each.
pub fn start<S: Saga>(context: &ServiceContext, topic: Topic, saga: impl Fn() -> S) {
    for partition in context.events.partitions().of_topic(topic) {
        let runner = Runner {
            context: context.clone(),
            partition,
            saga: saga(),
            backoff: Backoff::default(),
            epoch: Epoch::default(),
        };
        context.tasks.spawn(runner.run());
    }
}

/// The positions that a reader must have reached to see everything written before `event`; stream ids are times. Within its millisecond they
/// don't tell what came first in another partition, so all of it counts.
pub(super) fn everything_before(event: &RecordedEvent, partitions: Partitions) -> Positions {
    let end = Position {
        seq: u64::MAX,
        ..event.position
    };
    let mut positions = Positions::NONE;
    for partition in partitions.all() {
        positions.raise(partition, end);
    }
    positions.set(event.partition, event.position);
    positions
}

/// What a batch leaves of the entities of one kind, by id.
pub(super) fn left_by<E: WireEntity>(
    batch: &[RecordedEvent],
) -> Result<HashMap<String, Versioned<E>>, Failure> {
    let mut left = HashMap::new();
    for event in batch
        .iter()
        .filter(|event| event.partition.topic == E::TOPIC)
    {
        let id = String::from(event.entity_id.clone());
        if event.action == action::DELETED {
            left.remove(&id);
        } else {
            let version = event.version;
            left.insert(
                id,
                Versioned {
                    entity: decode(event)?,
                    version,
                },
            );
        }
    }
    Ok(left)
}

/// Parses an event's data.
pub(super) fn decode<T: serde::de::DeserializeOwned>(event: &RecordedEvent) -> Result<T, Failure> {
    serde_json::from_str(event.data.get()).map_err(|error| {
        Failure::Unreadable(format!("its data is no {}: {error}", event.partition.topic))
    })
}

struct Runner<S> {
    context: ServiceContext,
    partition: Partition,
    saga: S,
    backoff: Backoff,
    /// The epoch in which the saga has learnt what it remembers.
    epoch: Epoch,
}

impl<S: Saga> Runner<S> {
    async fn run(mut self) {
        let stop = self.context.stop.clone();
        while !stop.is_cancelled() {
            match self.subscribed(&stop).await {
                Ok(()) | Err(EventStoreError::Closed) => return,
                Err(error) => {
                    tracing::warn!(group = S::GROUP, topic = %self.partition, %error, "the subscription was interrupted; trying again");
                    self.backoff.wait_unless(&stop).await;
                }
            }
        }
    }

    async fn subscribed(&mut self, stop: &CancellationToken) -> Result<(), EventStoreError> {
        let mut subscription = self
            .context
            .events
            .subscribe(SubscribeRequest {
                group: S::GROUP.to_owned(),
                partition: self.partition,
                consumer: self.context.instance.clone(),
                batch_max: BATCH_EVENTS_MAX,
            })
            .await?;
        let mut done: Vec<Position> = Vec::new();
        let linger = self.saga.linger();
        loop {
            let next = async {
                subscription.ack_with_next(&done).await?;
                if !linger.is_zero() && !done.is_empty() {
                    tokio::time::sleep(until_tick(linger)).await;
                }
                subscription.next_batch().await
            };
            let mut batch = tokio::select! {
                batch = next => batch?,
                () = stop.cancelled() => return subscription.ack(&done).await,
            };
            if self.epoch != subscription.epoch() {
                self.epoch = subscription.epoch();
                self.saga.forget();
            }
            let correlations = batch.iter_mut().map(|event| &mut event.correlation);
            correlations.for_each(Correlation::received);
            let is_latest = subscription.reaches_end();
            if !self
                .handle(&mut *subscription, &batch, is_latest, stop)
                .await?
            {
                return Ok(());
            }
            Failpoint::BatchHandled.pass();
            done.clear();
            done.extend(batch.iter().map(|event| event.position));
        }
    }

    /// Handles a batch, with retries; `false` if the saga was stopped before the end.
    async fn handle(
        &mut self,
        subscription: &mut dyn EventSubscription,
        batch: &[RecordedEvent],
        mut is_latest: bool,
        stop: &CancellationToken,
    ) -> Result<bool, EventStoreError> {
        let mut failed = 0;
        while let Err(failure) = self.attempt(batch, is_latest).await {
            is_latest = false;
            tracing::warn!(group = S::GROUP, topic = %self.partition, %failure, events = batch.len(), "a batch was not handled; trying again");
            // What failed may have been decided on something that no longer holds.
            self.saga.forget();
            let failure = match failure {
                Failure::Unavailable(_) => None,
                Failure::Failed(reason) => Some((reason, failed + 1)),
                Failure::Unreadable(reason) => Some((reason, TRIES_MAX)),
            };
            if let Some((reason, tries)) = failure {
                failed = tries;
                if failed == TRIES_MAX && batch.len() > 1 {
                    // One of the events fails: each is handled alone, in order.
                    for event in batch {
                        let alone = std::slice::from_ref(event);
                        if !Box::pin(self.handle(subscription, alone, false, stop)).await? {
                            return Ok(false);
                        }
                    }
                    return Ok(true);
                }
                if failed == TRIES_MAX {
                    for event in batch {
                        tracing::error!(group = S::GROUP, topic = %self.partition, position = %event.position, %reason, "an event can't be handled; it goes to the dead letters");
                        subscription.dead_letter(event, &reason).await?;
                    }
                    return Ok(true);
                }
            }
            self.backoff.wait_unless(stop).await;
            if stop.is_cancelled() {
                return Ok(false);
            }
            let events = &*self.context.events;
            if let Some(last) = batch.last()
                // A store that is away has lost nothing, as far as is known.
                && events.is_gone(self.partition, last.position).await.unwrap_or_default()
            {
                // What Redis has left is delivered to a new membership.
                let why = "Redis lost the batch that was handled";
                return Err(EventStoreError::Unavailable(why.to_owned()));
            }
        }
        self.backoff.reset();
        Ok(true)
    }

    async fn attempt(&mut self, batch: &[RecordedEvent], is_latest: bool) -> Result<(), Failure> {
        match AssertUnwindSafe(self.saga.handle(batch, is_latest))
            .catch_unwind()
            .await
        {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Failed("the handler panicked".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_partitions_have_of_an_events_millisecond_may_be_its_cause() {
        let event = RecordedEvent {
            partition: Topic::Shipping.into(),
            position: Position { ms: 5, seq: 0 },
            event_id: "e".into(),
            action: "entity_created".to_owned(),
            entity_id: "a".into(),
            version: 1,
            data: serde_json::value::RawValue::NULL.to_owned(),
            published_at_us: 5_000,
            correlation: Correlation {
                correlation_id: "c".into(),
                causation_id: "k".into(),
                times: None,
            },
        };
        let before = everything_before(&event, Partitions::ONE);
        assert!(before.get(Topic::Order) >= Some(Position { ms: 5, seq: 3 }));
        assert!(before.get(Topic::Order) < Some(Position { ms: 6, seq: 0 }));
        assert_eq!(before.get(Topic::Shipping), Some(event.position));
    }
}
