//! What every command has in common: its payload, its events, its append. A command loads facts, decides, appends; after a conflict it does
//! so again, with the conflicting event known. Before it believes a refusal or a conflict, it looks for its own effect: the command may have
//! been carried out before. The same for every entity.

use ordershop_domain::{Event, Rejection};
use serde::Deserialize;
use serde_json::value::RawValue;

use ordershop_contract::clock::now_us;
use ordershop_contract::correlation::AppendTimes;
use ordershop_contract::event_store::{
    Appended, EventStoreError, ExpectedVersion, NewEvent, Transaction,
};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::Delivery;
use ordershop_contract::position::Positions;
use ordershop_contract::wire::{WireEntity, event_json};
use ordershop_contract::worker::ServiceContext;

/// How often a command is decided before it fails because of conflicts.
pub(super) const ATTEMPTS_MAX: usize = 10;

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
