//! A saga's writes: events caused by an event, with ids derived from its id.

use ordershop_domain::Event;
use serde_json::value::RawValue;

use ordershop_contract::event_store::{ExpectedVersion, NewEvent, RecordedEvent, Transaction};
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Positions;
use ordershop_contract::wire::{WireEntity, event_json};

/// How often a reaction is decided again after conflicts before it fails.
pub const ROUNDS_MAX: usize = 50;

/// Creates an event of an entity, caused by `cause`. `suffix` tells apart the effects of one cause.
pub fn reaction<E: WireEntity>(
    cause: &RecordedEvent,
    suffix: &str,
    expected: ExpectedVersion,
    event: &Event<E>,
) -> NewEvent {
    let (Event::Created(entity) | Event::Updated(entity) | Event::Deleted(entity)) = event;
    let (action, data) = event_json(event);
    raw_reaction(cause, suffix, entity.id(), expected, action, data)
}

/// A transaction of reactions to `cause`, which is written only while the store still has that.
pub fn caused_by(
    cause: &RecordedEvent,
    partition: Partition,
    events: Vec<NewEvent>,
) -> Transaction {
    Transaction {
        causes: Positions::of(cause.partition, cause.position),
        ..Transaction::of(partition, events)
    }
}

/// Creates an event with any data, caused by `cause`.
pub fn raw_reaction(
    cause: &RecordedEvent,
    suffix: &str,
    entity_id: &str,
    expected: ExpectedVersion,
    action: &'static str,
    data: Box<RawValue>,
) -> NewEvent {
    NewEvent {
        event_id: format!("{}.{suffix}", cause.event_id).into(),
        action: action.into(),
        entity_id: entity_id.into(),
        expected,
        data,
        correlation: cause.correlation.caused_by(cause.event_id.clone()),
    }
}
