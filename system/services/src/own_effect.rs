//! Looks for a command's own effect in the history, before a refusal or a conflict is believed. A command may have been carried out already:
//! by a worker that died before it answered, or by another worker while this one stood still. Also looks whether something else happened
//! since the command was sent. Knows events' ids, not what they mean.

use std::collections::{HashMap, HashSet};

use ordershop_contract::clock::now_us;
use ordershop_contract::event_store::{EventStore, EventStoreError, RecordedEvent};
use ordershop_contract::message_queue::Delivery;
use ordershop_contract::partition::Partition;
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;

/// How far the clocks of a caller and of Redis may differ when the effect of a redelivered command is searched for, ms.
const CLOCK_SKEW_MS_MAX: u64 = 60_000;
/// The same for a first delivery, whose effect can be there only if its worker stood still: a normal conflict must stay cheap, ms.
const FIRST_DELIVERY_SKEW_MS_MAX: u64 = 1_000;
/// Events read at once.
const LOOK_BACK_EVENTS: usize = 1_000;

/// What was found of a batch's redelivered commands, in one pass over the topic's partitions.
#[derive(Debug)]
pub struct EarlierEffects {
    by_event_id: HashMap<String, RecordedEvent>,
    /// Everything up to here was looked at.
    scanned_to: Positions,
}

impl EarlierEffects {
    /// Looks for the effects of a batch's redelivered commands.
    pub async fn of(
        events: &dyn EventStore,
        topic: Topic,
        batch: &[Delivery],
    ) -> Result<Self, EventStoreError> {
        let redelivered = || batch.iter().filter(|delivery| delivery.redeliveries > 0);
        let mut earlier = Self {
            by_event_id: HashMap::new(),
            scanned_to: Positions::NONE,
        };
        let wanted: HashSet<&str> = redelivered()
            .map(|delivery| &*delivery.message_id)
            .collect();
        if wanted.is_empty() {
            return Ok(earlier);
        }
        for partition in events.partitions().of_topic(topic) {
            let end = events.last_position(partition).await?;
            let since = redelivered().map(|delivery| since(delivery, end)).min();
            let since = since.unwrap_or_default();
            let scanned_to = scan(events, partition, since, |event| {
                if wanted.contains(event.event_id.as_str()) {
                    let id = event.event_id.as_str().to_owned();
                    earlier.by_event_id.insert(id, event);
                }
                true
            });
            earlier.scanned_to.raise(partition, scanned_to.await?);
        }
        Ok(earlier)
    }

    /// The effect that a command had before this batch was taken.
    pub fn get(&self, event_id: &str) -> Option<&RecordedEvent> {
        self.by_event_id.get(event_id)
    }

    /// Looks again in a partition, up to its present end.
    pub async fn find(
        &self,
        events: &dyn EventStore,
        partition: Partition,
        delivery: &Delivery,
        event_id: &str,
    ) -> Result<Option<RecordedEvent>, EventStoreError> {
        if let Some(found) = self.by_event_id.get(event_id) {
            return Ok(Some(found.clone()));
        }
        let end = events.last_position(partition).await?;
        let scanned_to = self.scanned_to.get(partition).unwrap_or_default();
        let after = since(delivery, end).max(scanned_to);
        find_after(events, partition, after, event_id).await
    }
}

/// Looks for a command's effect in another topic's partition.
pub async fn find_in(
    events: &dyn EventStore,
    partition: Partition,
    delivery: &Delivery,
    event_id: &str,
) -> Result<Option<RecordedEvent>, EventStoreError> {
    let end = events.last_position(partition).await?;
    find_after(events, partition, since(delivery, end), event_id).await
}

/// Whether an entity was changed by anybody else since a command was sent, beyond what its client may have been told.
pub async fn was_changed_since(
    events: &dyn EventStore,
    partition: Partition,
    delivery: &Delivery,
    told: Position,
    entity_id: &str,
) -> Result<bool, EventStoreError> {
    let Some(ms) = sent_at_ms(&delivery.message_id) else {
        return Ok(false);
    };
    let sent = Position { ms, seq: u64::MAX };
    let mut changed = false;
    scan(events, partition, sent.max(told), |event| {
        changed = event.entity_id == entity_id && *event.event_id != *delivery.message_id;
        !changed
    })
    .await?;
    Ok(changed)
}

/// Looks for an event in a partition after a position.
pub async fn find_after(
    events: &dyn EventStore,
    partition: Partition,
    after: Position,
    event_id: &str,
) -> Result<Option<RecordedEvent>, EventStoreError> {
    let mut found = None;
    scan(events, partition, after, |event| {
        if event.event_id == event_id {
            found = Some(event);
        }
        found.is_none()
    })
    .await?;
    Ok(found)
}

/// Passes the events after a position to `look`, until it returns false; returns the position of the last one.
async fn scan(
    events: &dyn EventStore,
    partition: Partition,
    mut after: Position,
    mut look: impl FnMut(RecordedEvent) -> bool + Send,
) -> Result<Position, EventStoreError> {
    loop {
        let batch = events.read(partition, after, LOOK_BACK_EVENTS).await?;
        let Some(last) = batch.last() else {
            return Ok(after);
        };
        let (end, full) = (last.position, batch.len() == LOOK_BACK_EVENTS);
        for event in batch {
            if !look(event) {
                return Ok(end);
            }
        }
        after = end;
        if !full {
            return Ok(after);
        }
    }
}

/// Whether a command may have been carried out before: it is delivered again, or so old that its worker may have stood still.
pub fn may_be_there(delivery: &Delivery) -> bool {
    let age = |sent_at| (now_us() / 1_000).saturating_sub(sent_at);
    let old = |sent_at| age(sent_at) > FIRST_DELIVERY_SKEW_MS_MAX;
    delivery.redeliveries > 0 || sent_at_ms(&delivery.message_id).is_none_or(old)
}

/// The position before which a command can have had no effect. Where Redis's clock is far behind, all of the topic is before the command was
/// sent: its effect is among the last then.
fn since(delivery: &Delivery, end: Position) -> Position {
    let sent_at = sent_at_ms(&delivery.message_id);
    let (sent_at, skew) = match (sent_at, delivery.redeliveries) {
        (Some(sent_at), 0) => (sent_at, FIRST_DELIVERY_SKEW_MS_MAX),
        (Some(sent_at), _) => (sent_at, CLOCK_SKEW_MS_MAX),
        (None, 0) => (now_us() / 1_000, CLOCK_SKEW_MS_MAX),
        (None, _) => (0, 0),
    };
    let ms = sent_at.min(end.ms).saturating_sub(skew);
    Position { ms, seq: 0 }
}

/// The time at which a message was created, ms, if its id tells (a UUID v7 begins with the time).
fn sent_at_ms(message_id: &str) -> Option<u64> {
    let time = uuid::Uuid::try_parse(message_id).ok()?.get_timestamp()?;
    let (seconds, nanos) = time.to_unix();
    Some(seconds * 1_000 + u64::from(nanos) / 1_000_000)
}
