//! A recorded event as JSON for clients: the same on the live feed and on `/events/{topic}`. Must not know how either is sent.

use serde::Serialize;
use serde_json::value::RawValue;

use ordershop_contract::correlation::Times;
use ordershop_contract::event_store::RecordedEvent;
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;

#[derive(Serialize)]
struct EventJson<'a> {
    topic: Topic,
    /// The partition's number; 0 where it is missing.
    #[serde(skip_serializing_if = "is_first")]
    partition: u8,
    action: &'a str,
    aggregate_id: &'a str,
    version: u64,
    data: &'a RawValue,
    position: Position,
    event_id: &'a str,
    published_at_us: u64,
    correlation_id: &'a str,
    causation_id: &'a str,
    /// Only for events of sampled requests.
    #[serde(flatten)]
    times: Option<Times>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) const fn is_first(number: &u8) -> bool {
    *number == 0
}

/// Serialises one event as a JSON object.
pub(super) fn event_json(event: &RecordedEvent) -> String {
    serde_json::to_string(&EventJson {
        topic: event.partition.topic,
        partition: event.partition.number,
        action: &event.action,
        aggregate_id: &event.entity_id,
        version: event.version,
        data: &event.data,
        position: event.position,
        event_id: &event.event_id,
        published_at_us: event.published_at_us,
        correlation_id: &event.correlation.correlation_id,
        causation_id: &event.correlation.causation_id,
        times: event.correlation.times,
    })
    .expect("strings, numbers and raw JSON always serialise")
}
