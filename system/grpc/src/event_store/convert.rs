//! Converts the event store's types to messages and back. Input from outside is checked here, once.

use std::borrow::Cow;

use serde_json::value::RawValue;
use tonic::Status;

use crate::correlation::{correlation, to_correlation};
use crate::proto::ordershop as proto;
use ordershop_contract::event_store::{
    Appended, Applied, Claim, EventStoreError, ExpectedVersion, NewEvent, RecordedEvent,
    Transaction,
};
use ordershop_contract::partition::{Partition, UnknownPartition};
use ordershop_contract::position::{Position, Positions, Projected};

use proto::{appended, claim, new_event, store_error::Kind};

fn invalid(why: impl ToString) -> EventStoreError {
    EventStoreError::Invalid(why.to_string())
}

fn missing(what: &str) -> EventStoreError {
    invalid(format!("{what} is missing"))
}

/// The error for an answer of the peer that can't be understood.
fn odd(what: impl std::fmt::Display) -> EventStoreError {
    EventStoreError::Unavailable(format!("the event store's answer is malformed: {what}"))
}

pub(super) fn position(position: Position) -> proto::Position {
    proto::Position {
        ms: position.ms,
        seq: position.seq,
    }
}

pub(super) fn to_position(position: proto::Position) -> Position {
    Position {
        ms: position.ms,
        seq: position.seq,
    }
}

fn json(json: Box<RawValue>) -> String {
    Box::<str>::from(json).into()
}

fn to_object(name: &str, json: String) -> Result<Box<RawValue>, EventStoreError> {
    if !json.trim_start().starts_with('{') {
        return Err(invalid(format!("{name} must be a JSON object")));
    }
    RawValue::from_string(json).map_err(|error| invalid(format!("{name} is not JSON: {error}")))
}

/// The transactions' approximate size on the wire, bytes.
pub(super) fn size(transactions: &[Transaction]) -> usize {
    let events = transactions.iter().flat_map(|t| &t.events);
    events.map(|event| 200 + event.data.get().len()).sum()
}

pub(super) fn transaction(transaction: Transaction) -> proto::Transaction {
    let claims = transaction.claims.into_iter().map(|claim| proto::Claim {
        claim: Some(match claim {
            Claim::Take(key) => claim::Claim::Take(key),
            Claim::Release(key) => claim::Claim::Release(key),
        }),
    });
    proto::Transaction {
        topic: transaction.partition.to_string(),
        events: transaction.events.into_iter().map(new_event).collect(),
        claims: claims.collect(),
        causes: transaction.causes.to_string(),
    }
}

fn new_event(event: NewEvent) -> proto::NewEvent {
    proto::NewEvent {
        event_id: event.event_id.into(),
        action: event.action.into_owned(),
        aggregate_id: event.entity_id.into(),
        expected: Some(match event.expected {
            ExpectedVersion::NoStream => new_event::Expected::NoStream(true),
            ExpectedVersion::Exact(version) => new_event::Expected::Exact(version),
            ExpectedVersion::Any => new_event::Expected::Any(true),
        }),
        data: json(event.data),
        correlation: Some(correlation(event.correlation)),
    }
}

/// The partition that a request names.
pub(super) fn named_partition(name: &str) -> Result<Partition, Status> {
    let named = name.parse();
    named.map_err(|error: UnknownPartition| Status::not_found(error.to_string()))
}

pub(super) fn to_partition(name: &str) -> Result<Partition, EventStoreError> {
    name.parse().map_err(invalid)
}

pub(super) fn to_transaction(
    transaction: proto::Transaction,
) -> Result<Transaction, EventStoreError> {
    let claims = transaction
        .claims
        .into_iter()
        .map(|claim| match claim.claim {
            Some(claim::Claim::Take(key)) => Ok(Claim::Take(key)),
            Some(claim::Claim::Release(key)) => Ok(Claim::Release(key)),
            None => Err(missing("a claim's take or release")),
        });
    Ok(Transaction {
        partition: to_partition(&transaction.topic)?,
        events: transaction
            .events
            .into_iter()
            .map(to_new_event)
            .collect::<Result<_, _>>()?,
        claims: claims.collect::<Result<_, _>>()?,
        causes: to_positions(&transaction.causes)?,
    })
}

fn to_new_event(event: proto::NewEvent) -> Result<NewEvent, EventStoreError> {
    let expected = match event.expected {
        Some(new_event::Expected::NoStream(true)) => ExpectedVersion::NoStream,
        Some(new_event::Expected::Exact(version)) => ExpectedVersion::Exact(version),
        Some(new_event::Expected::Any(true)) => ExpectedVersion::Any,
        _ => return Err(missing("an event's expected version")),
    };
    Ok(NewEvent {
        event_id: event.event_id.into(),
        action: Cow::Owned(event.action),
        entity_id: event.aggregate_id.into(),
        expected,
        data: to_object("an event's data", event.data)?,
        correlation: to_correlation(event.correlation),
    })
}

pub(super) fn appended(appended: Appended) -> proto::Appended {
    let outcome = match appended {
        Appended::Committed { position: at } => appended::Outcome::Committed(position(at)),
        Appended::Conflict {
            key,
            version,
            position: at,
        } => appended::Outcome::Conflict(appended::Conflict {
            key,
            version,
            position: Some(position(at)),
        }),
    };
    proto::Appended {
        outcome: Some(outcome),
    }
}

pub(super) fn to_appended(appended: proto::Appended) -> Result<Appended, EventStoreError> {
    match appended.outcome {
        Some(appended::Outcome::Committed(at)) => Ok(Appended::Committed {
            position: to_position(at),
        }),
        Some(appended::Outcome::Conflict(conflict)) => Ok(Appended::Conflict {
            key: conflict.key,
            version: conflict.version,
            position: to_position(conflict.position.unwrap_or_default()),
        }),
        None => Err(EventStoreError::Indeterminate(
            "the answer has no outcome".to_owned(),
        )),
    }
}

pub(super) fn error(error: EventStoreError) -> proto::StoreError {
    let (kind, message) = match error {
        EventStoreError::Unavailable(message) => (Kind::Unavailable, message),
        EventStoreError::Overloaded(message) => (Kind::Overloaded, message),
        EventStoreError::Indeterminate(message) => (Kind::Indeterminate, message),
        EventStoreError::Invalid(message) => (Kind::Invalid, message),
        EventStoreError::Closed => (Kind::Closed, error.to_string()),
    };
    proto::StoreError {
        kind: kind.into(),
        message,
    }
}

/// A store that shuts down counts as unavailable: another process will soon serve it.
pub(super) fn to_error(error: proto::StoreError) -> EventStoreError {
    let message = error.message;
    match Kind::try_from(error.kind) {
        Ok(Kind::Unavailable | Kind::Closed) => EventStoreError::Unavailable(message),
        Ok(Kind::Overloaded) => EventStoreError::Overloaded(message),
        Ok(Kind::Invalid) => EventStoreError::Invalid(message),
        Ok(Kind::Indeterminate | Kind::Unspecified) | Err(_) => {
            EventStoreError::Indeterminate(message)
        }
    }
}

pub(super) fn to_positions(text: &str) -> Result<Positions, EventStoreError> {
    text.parse().map_err(invalid)
}

pub(super) fn applied(applied: Applied) -> proto::AppliedReply {
    let batches = applied.batches.into_iter();
    let batches = batches.map(|batch| proto::applied_reply::Batch {
        to: Positions::of(batch.partition, batch.to).to_string(),
        received_at_us: batch.received_at_us,
        applied_at_us: batch.applied_at_us,
    });
    proto::AppliedReply {
        positions: applied.positions.to_string(),
        batches: batches.collect(),
    }
}

pub(super) fn to_applied(told: proto::AppliedReply) -> Result<Applied, EventStoreError> {
    let mut applied = Applied {
        positions: to_positions(&told.positions)?,
        batches: Vec::new(),
    };
    for batch in told.batches {
        for (partition, to) in to_positions(&batch.to)?.iter() {
            applied.batches.push(Projected {
                partition,
                to,
                received_at_us: batch.received_at_us,
                applied_at_us: batch.applied_at_us,
            });
        }
    }
    Ok(applied)
}

/// Converts events of one partition.
pub(super) fn events(partition: Partition, events: Vec<RecordedEvent>) -> proto::Events {
    let events = events.into_iter().map(|event| proto::RecordedEvent {
        position: Some(position(event.position)),
        event_id: event.event_id.into(),
        action: event.action,
        aggregate_id: event.entity_id.into(),
        version: event.version,
        data: json(event.data),
        published_at_us: event.published_at_us,
        correlation: Some(correlation(event.correlation)),
    });
    proto::Events {
        topic: partition.to_string(),
        events: events.collect(),
        epoch: 0,
        reaches_end: false,
    }
}

pub(super) fn to_events(
    partition: Partition,
    events: proto::Events,
) -> Result<Vec<RecordedEvent>, EventStoreError> {
    let events = events.events.into_iter().map(|event| {
        Ok(RecordedEvent {
            partition,
            position: to_position(event.position.unwrap_or_default()),
            event_id: event.event_id.into(),
            action: event.action,
            entity_id: event.aggregate_id.into(),
            version: event.version,
            data: RawValue::from_string(event.data).map_err(odd)?,
            published_at_us: event.published_at_us,
            correlation: to_correlation(event.correlation),
        })
    });
    events.collect()
}
