//! Converts events of these contracts to the store's and back. Must not know what events mean.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::proto::eventstore::Notification;
use ordershop_contract::correlation::Correlation;
use ordershop_contract::event_store::{
    Claim, ExpectedVersion, NewEvent, RecordedEvent, Transaction,
};
use ordershop_contract::topic::Topic;

/// How the names begin of the claims that published events take.
pub const PUBLISHED_CLAIM: &str = "published:";
/// Longest event id, action or entity id, bytes; they become fields and keys.
const NAME_BYTES_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventInfo {
    event_id: String,
    event_action: String,
    /// An object, or a string that contains one: the first OrderShop's services write `json.dumps(data)`.
    event_data: Box<RawValue>,
}

/// The part of an event's data that names its entity.
#[derive(Deserialize)]
struct EventData<'a> {
    #[serde(borrow, default)]
    entity_id: Option<&'a RawValue>,
}

/// The transaction that publishes an event at most once: it also claims the event's id.
///
/// # Errors
/// What is wrong with `event_info`, and what to send instead.
pub(super) fn transaction(topic: Topic, event_info: &str) -> Result<Transaction, String> {
    let info: EventInfo = serde_json::from_str(event_info).map_err(|error| {
        format!(
            "bad event_info: {error}; send a JSON object of event_id (string), event_action (string) and event_data (an object, or a string that contains one)"
        )
    })?;
    check_name("event_id", &info.event_id)?;
    check_name("event_action", &info.event_action)?;
    const BAD_DATA: &str = "bad event_info: event_data must be a JSON object or a string that contains one, with entity_id at most once";
    let object = object(info.event_data).ok_or(BAD_DATA)?;
    let data: EventData<'_> = serde_json::from_str(object.get()).map_err(|_| BAD_DATA)?;
    let entity_id = data
        .entity_id
        .and_then(|id| serde_json::from_str::<String>(id.get()).ok());
    if let Some(entity_id) = &entity_id {
        check_name("event_data.entity_id", entity_id)?;
    }
    let event = NewEvent {
        entity_id: entity_id.unwrap_or_else(|| info.event_id.clone()).into(),
        expected: ExpectedVersion::Any,
        action: Cow::Owned(info.event_action),
        correlation: Correlation {
            correlation_id: uuid::Uuid::now_v7().simple().to_string(),
            causation_id: info.event_id.clone(),
            times: None,
        },
        event_id: info.event_id.clone().into(),
        data: object,
    };
    Ok(Transaction {
        claims: vec![Claim::Take(format!("{PUBLISHED_CLAIM}{}", info.event_id))],
        ..Transaction::of(topic, vec![event])
    })
}

/// The JSON object that an event's data are, or that the string contains; `None` if there is none.
fn object(data: Box<RawValue>) -> Option<Box<RawValue>> {
    let data = if data.get().starts_with('"') {
        let text: String = serde_json::from_str(data.get()).ok()?;
        RawValue::from_string(text).ok()?
    } else {
        data
    };
    data.get().starts_with('{').then_some(data)
}

fn check_name(what: &str, name: &str) -> Result<(), String> {
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control) {
        return Ok(());
    }
    Err(format!(
        "bad event_info: {what} must have 1 to {NAME_BYTES_MAX} bytes and no control characters"
    ))
}

/// The notification of an event for subscribers.
#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds since 1970 fit 2^53 for two centuries"
)]
pub(super) fn notification(event: RecordedEvent) -> Notification {
    Notification {
        event_id: event.event_id.into(),
        event_ts: event.published_at_us as f64 / 1e6,
        event_action: event.action,
        event_data: event.data.get().to_owned(),
    }
}

/// Appends `["<entry id>",{…}]` to a JSON text; the event's data are a string, as the first OrderShop told them.
pub(super) fn write_entry(event: &RecordedEvent, text: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct OriginalEntry<'a>(String, Info<'a>);
    #[derive(Serialize)]
    struct Info<'a> {
        event_id: &'a str,
        event_action: &'a str,
        event_data: &'a str,
    }
    let entry = OriginalEntry(
        event.position.to_string(),
        Info {
            event_id: &event.event_id,
            event_action: &event.action,
            event_data: event.data.get(),
        },
    );
    serde_json::to_writer(text, &entry).expect("strings and raw JSON always serialize");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_belongs_to_its_entity_or_else_to_itself() {
        for (data, aggregate) in [
            (r#"{"entity_id":"a","x":[1]}"#, "a"),
            (r#"{"entity_id":7}"#, "e"),
            (r#"{"entity_id":null}"#, "e"),
            ("{}", "e"),
        ] {
            let info = format!(r#"{{"event_id":"e","event_action":"done","event_data":{data}}}"#);
            let transaction = transaction(Topic::Order, &info).unwrap();
            assert_eq!(transaction.events[0].entity_id, aggregate, "{data}");
            assert_eq!(transaction.events[0].data.get(), data);
            let claims = transaction.claims;
            assert_eq!(claims, [Claim::Take("published:e".to_owned())]);
        }
    }

    #[test]
    fn data_may_be_a_string_that_contains_an_object() {
        for (data, stored) in [
            (
                r#""{\"entity_id\": \"a\", \"x\": [1]}""#,
                r#"{"entity_id": "a", "x": [1]}"#,
            ),
            (
                r#"" {\"entity_id\":\"a\",\"name\":\"\\u00e4\"}\n""#,
                r#"{"entity_id":"a","name":"\u00e4"}"#,
            ),
        ] {
            let info = format!(r#"{{"event_id":"e","event_action":"done","event_data":{data}}}"#);
            let transaction = transaction(Topic::Order, &info).unwrap();
            assert_eq!(transaction.events[0].entity_id, "a", "{data}");
            assert_eq!(transaction.events[0].data.get(), stored);
        }
    }

    #[test]
    fn what_is_no_event_is_refused_by_field() {
        let long = format!(
            r#"{{"event_id":"{}","event_action":"a","event_data":{{}}}}"#,
            "x".repeat(201)
        );
        for (info, named) in [
            ("", "event_info"),
            ("[]", "event_info"),
            ("\"text\"", "event_info"),
            (r#"{"event_action":"a","event_data":{}}"#, "event_id"),
            (
                r#"{"event_id":1,"event_action":"a","event_data":{}}"#,
                "string",
            ),
            (
                r#"{"event_id":"","event_action":"a","event_data":{}}"#,
                "event_id",
            ),
            (
                r#"{"event_id":"e","event_action":"","event_data":{}}"#,
                "event_action",
            ),
            (
                r#"{"event_id":"e","event_action":"a","event_data":"text"}"#,
                "event_data",
            ),
            (
                r#"{"event_id":"e","event_action":"a","event_data":["x"]}"#,
                "event_data",
            ),
            (
                r#"{"event_id":"e","event_action":"a","event_data":"[1]"}"#,
                "event_data",
            ),
            (
                r#"{"event_id":"e","event_action":"a","event_data":"\"{}\""}"#,
                "event_data",
            ),
            (
                r#"{"event_id":"e","event_action":"a","event_data":"{\"entity_id\":\"\"}"}"#,
                "entity_id",
            ),
            (
                r#"{"event_id":"e","event_action":"a","event_data":{"entity_id":""}}"#,
                "entity_id",
            ),
            (
                r#"{"event_id":"e","event_action":"a","event_data":{},"more":1}"#,
                "more",
            ),
            (long.as_str(), "event_id"),
        ] {
            let refused = transaction(Topic::Order, info).unwrap_err();
            assert!(refused.contains(named), "{info}: {refused}");
        }
    }
}
