//! What every command has in common: its payload, its events, its append. A command loads facts, decides, appends; after a conflict it does
//! so again, with the conflicting event known. Before it believes a refusal or a conflict, it looks for its own effect: the command may have
//! been carried out before. The same for every entity.

use ordershop_domain::{Event, Rejection};
use serde::Deserialize;
use serde_json::value::RawValue;

use ordershop_contract::clock::now_us;
use ordershop_contract::correlation::AppendTimes;
use ordershop_contract::event_store::{
    Appended, Claim, EventStoreError, ExpectedVersion, NewEvent, Transaction,
};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::Delivery;
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Positions;
use ordershop_contract::wire::{WireEntity, event_json, json};
use ordershop_contract::worker::ServiceContext;

/// How often a command is decided before it fails because of conflicts.
pub(super) const ATTEMPTS_MAX: usize = 10;

/// A claim that is taken twice in one transaction, so that the transaction is checked and never written.
pub(super) const UNWRITABLE: &str = "unwritable";

pub(super) fn unwritable() -> [Claim; 2] {
    [UNWRITABLE, UNWRITABLE].map(|claim| Claim::Take(claim.to_owned()))
}

/// What a command carries.
#[derive(Deserialize)]
pub(super) struct CommandPayload<'a> {
    #[serde(borrow)]
    pub params: &'a RawValue,
    #[serde(default)]
    pub at_least: Positions,
    /// The client's Idempotency-Key; the message id follows from it and the request.
    #[serde(default)]
    pub key: Option<String>,
    /// The versions of the entity for which the request was made.
    #[serde(default)]
    pub if_match: Option<Vec<u64>>,
}

pub(super) fn payload(delivery: &Delivery) -> Result<CommandPayload<'_>, Rejection> {
    serde_json::from_str(delivery.payload.get()).map_err(|error| {
        Rejection::Invalid(format!("the payload must be {{\"params\": …}}: {error}"))
    })
}

pub(super) fn new_event<E: WireEntity>(
    delivery: &Delivery,
    event_id: String,
    entity_id: &str,
    expected: ExpectedVersion,
    event: &Event<E>,
) -> NewEvent {
    let (action, data) = event_json(event);
    NewEvent {
        event_id: event_id.into(),
        action: action.into(),
        entity_id: entity_id.into(),
        expected,
        data,
        correlation: delivery.correlation.caused_by(delivery.message_id.clone()),
    }
}

pub(super) async fn append(
    context: &ServiceContext,
    transaction: Transaction,
) -> Result<(Appended, Option<AppendTimes>), EventStoreError> {
    let first = transaction.events.first();
    let times = first.and_then(|event| event.correlation.times);
    let appended = context.events.append(vec![transaction]).await?;
    Failpoint::CommandAppended.pass();
    let appended = appended
        .into_iter()
        .next()
        .ok_or_else(|| EventStoreError::Invalid("no result for a transaction".to_owned()))?;
    let times = times.map(|times| AppendTimes {
        submitted_at_us: times.submitted_at_us,
        committed_at_us: now_us(),
    });
    Ok((appended, times))
}

/// Waits until what was found in a partition is as safe as what the store answers an append of. What was only read need not be: it may be written
/// by an append that could not be answered.
pub(super) async fn confirm(
    context: &ServiceContext,
    delivery: &Delivery,
    partition: Partition,
) -> Result<(), EventStoreError> {
    let nothing = NewEvent {
        event_id: delivery.message_id.as_str().into(),
        action: UNWRITABLE.into(),
        entity_id: delivery.message_id.as_str().into(),
        expected: ExpectedVersion::Any,
        data: json(&serde_json::Map::new()),
        correlation: delivery.correlation.clone(),
    };
    let transaction = Transaction {
        claims: unwritable().into(),
        ..Transaction::of(partition, vec![nothing])
    };
    context.events.append(vec![transaction]).await.map(drop)
}
