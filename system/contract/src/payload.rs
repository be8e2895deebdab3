//! The payloads of messages: `{"params": …, "at_least": …}`, of commands also `key` and `if_match`. They are serialised directly from
//! borrowed parts, without a JSON tree.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::position::Positions;
use crate::topic::Topic;

/// The most entities or mails in a page.
pub const PAGE_ENTITIES_MAX: usize = 1_000;
/// The most joined orders in a page; few, because each brings its cart and products.
pub const PAGE_ORDERS_MAX: usize = 100;

#[derive(Serialize)]
struct MessagePayload<'a, P> {
    params: P,
    #[serde(skip_serializing_if = "Positions::is_empty")]
    at_least: &'a Positions,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    if_match: Option<&'a [u64]>,
}

/// The terms on which a command may be carried out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'a> {
    /// The client's key of a creation: the same key and params again are answered as before, other params under the same key are refused.
    pub key: Option<&'a str>,
    /// The versions of which one must be the entity's present one.
    pub if_match: Option<&'a [u64]>,
}

/// A message's payload. `at_least`: positions that its handler must have seen.
pub fn message(params: impl Serialize, at_least: &Positions) -> Box<RawValue> {
    command(params, at_least, Terms::default())
}

/// A command's payload with its terms.
pub fn command(params: impl Serialize, at_least: &Positions, terms: Terms<'_>) -> Box<RawValue> {
    serde_json::value::to_raw_value(&MessagePayload {
        params,
        at_least,
        key: terms.key,
        if_match: terms.if_match,
    })
    .expect("borrowed strings and raw JSON always serialise")
}

/// No parameters: `{}`.
#[derive(Serialize)]
pub struct Empty {}

/// Parameters: one entity by id.
#[derive(Serialize)]
pub struct ById<'a> {
    /// The topic whose entity it is.
    pub name: Topic,
    /// Its id.
    pub id: &'a str,
    /// Whether it comes with its version: `{"entity": …, "version": n}`.
    pub versions: bool,
}

/// Parameters: a page of a list; only `get_entities` takes a `name`.
#[derive(Serialize)]
pub struct PageOf<'a> {
    /// The topic whose entities are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Topic>,
    /// The most entities that are answered.
    pub limit: usize,
    /// Where the page before ended; `None`: from the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<&'a str>,
}

/// Parameters: the entity to delete.
#[derive(Serialize)]
pub struct DeleteParams<'a> {
    /// Its id.
    pub entity_id: &'a str,
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
                versions: true,
            },
            &at_least,
        );
        assert_eq!(
            payload.get(),
            r#"{"params":{"name":"order","id":"a\"b","versions":true},"at_least":{"order":"7-1"}}"#
        );
        assert_eq!(
            message(Empty {}, &Positions::NONE).get(),
            r#"{"params":{}}"#
        );
    }

    #[test]
    fn terms_are_carried_beside_the_params() {
        let of = |terms| command(Empty {}, &Positions::NONE, terms).get().to_owned();
        let key = Terms {
            key: Some("a\"b"),
            ..Terms::default()
        };
        let if_match = Terms {
            if_match: Some(&[3, 4]),
            ..Terms::default()
        };
        assert_eq!(of(key), r#"{"params":{},"key":"a\"b"}"#);
        assert_eq!(of(if_match), r#"{"params":{},"if_match":[3,4]}"#);
    }
}
