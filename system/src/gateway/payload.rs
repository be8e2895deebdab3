//! The payloads of messages: `{"params": …, "at_least": …}`, serialised directly from borrowed parts, without a JSON tree.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::position::Positions;
use crate::topic::Topic;

#[derive(Serialize)]
struct Payload<'a, P> {
    params: P,
    #[serde(skip_serializing_if = "Positions::is_empty")]
    at_least: &'a Positions,
}

/// A message's payload. `at_least`: positions that its handler must have seen.
pub(super) fn message(params: impl Serialize, at_least: &Positions) -> Box<RawValue> {
    serde_json::value::to_raw_value(&Payload { params, at_least })
        .expect("borrowed strings and raw JSON always serialise")
}

/// No parameters: `{}`.
#[derive(Serialize)]
pub(super) struct Empty {}

/// Parameters: one entity by id.
#[derive(Serialize)]
pub(super) struct ById<'a> {
    pub(super) name: Topic,
    pub(super) id: &'a str,
}

/// Parameters: several entities by id.
#[derive(Serialize)]
pub(super) struct ByIds<'a> {
    pub(super) name: Topic,
    pub(super) ids: &'a [&'a str],
}

/// Parameters: the entities that belong to an order.
#[derive(Serialize)]
pub(super) struct OfOrder<'a> {
    pub(super) name: Topic,
    pub(super) props: OrderId<'a>,
}

/// The property that names the order.
#[derive(Serialize)]
pub(super) struct OrderId<'a> {
    pub(super) order_id: &'a str,
}

/// Parameters: a page of a collection; without `name`, of the mails.
#[derive(Serialize)]
pub(super) struct PageOf<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<Topic>,
    pub(super) limit: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<&'a str>,
}

/// Parameters: the entity to delete.
#[derive(Serialize)]
pub(super) struct EntityId<'a> {
    pub(super) entity_id: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_escaped_and_positions_carried() {
        let at_least = Positions::of(Topic::Order, crate::position::Position { ms: 7, seq: 1 });
        let payload = message(
            ById {
                name: Topic::Order,
                id: "a\"b",
            },
            &at_least,
        );
        assert_eq!(
            payload.get(),
            r#"{"params":{"name":"order","id":"a\"b"},"at_least":{"order":"7-1"}}"#
        );
        assert_eq!(
            message(Empty {}, &Positions::NONE).get(),
            r#"{"params":{}}"#
        );
    }
}
