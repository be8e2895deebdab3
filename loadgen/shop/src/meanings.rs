//! What requests to OrderShop create, change and read, and what its answers say of it.

use serde::Deserialize;

use crate::audit::{ShopTopic, content_of};
use crate::order_shop::OrderShop;
use loadgen_engine::record::ledger::{Created, EntityPath, Meanings, Posted};

/// An answer to a creation: the ids, or a message's id.
#[derive(Deserialize)]
struct CreationAnswer {
    result: Answered,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answered {
    Ids(Vec<String>),
    Later(String),
}

impl Meanings for OrderShop {
    fn entity(&self, path: &str) -> Option<EntityPath> {
        let path = path.split(['?', '#']).next()?;
        let (kind, id) = path.strip_prefix('/')?.split_once('/')?;
        let topic = ShopTopic::named(kind).filter(|topic| topic.name() == kind);
        let names_one = topic.is_some() && !id.is_empty() && !id.contains('/');
        names_one.then(|| EntityPath {
            kind: kind.to_owned(),
            id: id.to_owned(),
        })
    }

    fn content(&self, kind: &str, body: &str) -> Option<u64> {
        content_of(ShopTopic::named(kind)?, body)
    }

    fn posted(&self, path: &str, body: Option<&str>) -> Option<Posted> {
        let path = path.split(['?', '#']).next()?;
        let kind = path.trim_matches('/');
        let creates = !kind.is_empty() && !kind.contains('/');
        creates.then(|| Posted::new(kind, array_length(body.unwrap_or_default())))
    }

    fn answered(&self, posted: &Posted, status: u16, answer: &[u8]) -> Created {
        if status >= 500 {
            // The outcome is unknown: a timeout inside the target, or a lost store.
            return Created::Unknown;
        }
        let answer = serde_json::from_slice(answer).ok();
        let (Some(CreationAnswer { result }), 200..300) = (answer, status) else {
            return Created::Nothing;
        };
        match (result, posted.elements) {
            (Answered::Ids(ids), _) => Created::Accepted(ids),
            (Answered::Later(id), None) => Created::Deferred(vec![id]),
            (Answered::Later(id), Some(length)) => {
                Created::Deferred((0..length).map(|n| format!("{id}-{n}")).collect())
            }
        }
    }
}

/// An array's length; `None` for anything else.
fn array_length(body: &str) -> Option<u64> {
    let is_array = body.trim_start().starts_with('[');
    let elements: Vec<serde::de::IgnoredAny> = is_array
        .then(|| serde_json::from_str(body).ok())
        .flatten()?;
    Some(elements.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadgen_engine::record::ledger::Ledger;

    #[test]
    fn a_path_of_two_parts_names_an_entity() {
        let named = |path: &str| {
            let entity = OrderShop.entity(path)?;
            Some(format!("{} {}", entity.kind, entity.id))
        };
        assert_eq!(named("/order/a?x=1").as_deref(), Some("order a"));
        for path in [
            "/order",
            "/orders/unbilled",
            "/mails/sent",
            "/order/",
            "/order/a/b",
        ] {
            assert_eq!(named(path), None, "{path}");
        }
    }

    #[test]
    fn a_put_repeats_the_id_or_not_and_means_the_same() {
        let of = |body: &str| OrderShop.content("inventory", body);
        let content = of(r#"{"product_id": "p", "amount": 3}"#);
        assert!(content.is_some());
        assert_eq!(
            of(r#"{"amount": 3, "product_id": "p", "entity_id": "i"}"#),
            content
        );
        assert_ne!(of(r#"{"amount": 4, "product_id": "p"}"#), content);
        // The shop adds what it knows to an order, so its events don't repeat a body.
        assert_eq!(OrderShop.content("order", r#"{"cart_id": "c"}"#), None);
    }

    fn of<'a>(ledger: &'a Ledger, kind: &str) -> (Vec<&'a str>, Vec<&'a str>, u64) {
        let (_, writes) = ledger.kinds().find(|(known, _)| *known == kind).unwrap();
        (
            writes.accepted().collect(),
            writes.deferred().collect(),
            writes.indeterminate().map(|(_, entities)| entities).sum(),
        )
    }

    #[test]
    fn answers_are_told_apart_by_what_they_promise() {
        let mut ledger = Ledger::default();
        let mut post = |path: &str, body: &str, answer: Option<(u16, &str)>| {
            let Some(posted) = OrderShop.posted(path, Some(body)) else {
                return;
            };
            ledger.sent(&posted);
            if let Some((status, text)) = answer {
                let created = OrderShop.answered(&posted, status, text.as_bytes());
                ledger.answered(&posted, created);
            }
        };
        post("/order", "{}", Some((200, r#"{"result":["a"]}"#)));
        post("/order", "{}", Some((409, r#"{"error":"no"}"#)));
        post("/order", "[{},{}]", None);
        post("/order?x=1", "{}", Some((504, "")));
        post("/carts", "{}", Some((202, r#"{"result":"m"}"#)));
        post("/carts", "[{},{}]", Some((202, r#"{"result":"n"}"#)));
        post("/a/b", "{}", Some((200, r#"{"result":["x"]}"#)));
        post("/thing", "", Some((200, "hello")));
        assert_eq!(of(&ledger, "order"), (vec!["a"], vec![], 3));
        assert_eq!(of(&ledger, "carts"), (vec![], vec!["m", "n-0", "n-1"], 0));
        assert_eq!(of(&ledger, "thing"), (vec![], vec![], 0));
        assert_eq!(ledger.kinds().count(), 3);
    }
}
