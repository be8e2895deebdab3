//! Faults of a shop that told its clients what isn't so, as rows of the table in `table`; and what clients may do without a fault.

use serde_json::json;

use super::super::topic::ShopTopic;
use super::faults::FaultCase;
use super::races::{LATE, restock, second_order};
use super::story::{CART, ORDER, Story, compensated, order, right, stock};
use crate::order_shop::OrderShop;
use loadgen_engine::record::ledger::{Meanings, SeenVersions};

/// What a client does, in words and as a change of the story.
type Deed = (&'static str, fn(&mut Story));

pub const ROWS: &[FaultCase] = &[
    (
        "a client that did not want to write over a reservation does",
        |s| {
            restock(s, LATE, 12);
            let body = stock("i-tea", "tea", 12);
            s.changed_if(("inventory", "i-tea"), "PUT", 200, Some(&body), Some(1));
        },
        "client_histories",
        "i-tea",
        "decided on version 1 was answered as done, but version 2 is not that change",
    ),
    (
        "two clients rename a product that both have read in the same version, and both are answered as if they had",
        |s| {
            for (version, name) in [(2, "Green tea"), (3, "Black tea")] {
                let body = json!({"entity_id": "tea", "name": name, "price": 250});
                s.add(
                    ShopTopic::Product,
                    "tea",
                    version,
                    "entity_updated",
                    name,
                    name,
                    body.clone(),
                );
                s.changed_if(("product", "tea"), "PUT", 200, Some(&body), Some(1));
            }
            s.show();
        },
        "client_histories",
        "tea",
        "decided on version 1 was answered as done, but version 2 is not that change",
    ),
    (
        "a client removes a cart that it has read in an older version",
        |s| {
            s.changed_if(("cart", CART), "DELETE", 200, None, Some(1));
            let mut data = s.event(CART)["data"].clone();
            data["product_ids"] = json!(["tea"]);
            s.add(
                ShopTopic::Cart,
                CART,
                2,
                "entity_updated",
                "mine",
                "mine",
                data.clone(),
            );
            s.add(
                ShopTopic::Cart,
                CART,
                3,
                "entity_deleted",
                "theirs",
                "theirs",
                data,
            );
        },
        "client_histories",
        CART,
        "decided on version 1 was answered as done, but version 2 is not that change",
    ),
    (
        "a change that was refused with 412 is there, and another one changed nothing",
        |s| {
            restock(s, LATE, 12);
            for (amount, status, version) in [(12, 412, 1), (8, 200, 2)] {
                let body = stock("i-tea", "tea", amount);
                let path = ("inventory", "i-tea");
                s.changed_if(path, "PUT", status, Some(&body), Some(version));
            }
        },
        "client_histories",
        "i-tea",
        "1 times, but only 0 of them can have been carried out",
    ),
    (
        "a key is used for two entities",
        |s| {
            s.answered_to_key("k", ShopTopic::Product, "cup");
            s.answered_to_key("k", ShopTopic::Product, "tea");
        },
        "client_histories",
        "k",
        "the key made cup and tea",
    ),
    (
        "a request that is repeated with its key makes a second entity, and another request is never answered",
        |s| {
            let mut posted = OrderShop.posted("/cart", None).unwrap();
            posted.trace = Some(2);
            s.ledger.sent(&posted);
            let data = s.event(CART)["data"].clone();
            s.add(
                ShopTopic::Cart,
                "again",
                1,
                "entity_created",
                "again",
                "again",
                data,
            );
            s.event("again")["data"]["entity_id"] = json!("again");
            s.event("again")["correlation_id"] = json!("01");
            s.show();
        },
        "accepted_present",
        "again",
        "created without a request",
    ),
    (
        "a change that was answered as done is nowhere",
        |s| {
            s.changed(
                ("inventory", "i-cup"),
                "PUT",
                200,
                Some(&stock("i-cup", "cup", 5)),
            )
        },
        "client_histories",
        "i-cup",
        "1 of 1 changes that were answered as done are nowhere",
    ),
    (
        "a change that was refused is there",
        |s| {
            restock(s, LATE, 10);
            let body = stock("i-tea", "tea", 10);
            s.changed(("inventory", "i-tea"), "PUT", 412, Some(&body));
        },
        "client_histories",
        "i-tea",
        "changed 1 times by requests, but only 0",
    ),
    (
        "a removal that was answered as done is nowhere",
        |s| s.changed(("cart", CART), "DELETE", 200, None),
        "client_histories",
        CART,
        "was not removed",
    ),
    (
        "a removal that was refused is there",
        |s| {
            s.changed(("cart", CART), "DELETE", 409, None);
            let data = s.event(CART)["data"].clone();
            s.add(
                ShopTopic::Cart,
                CART,
                2,
                "entity_deleted",
                "del-2",
                "del-2",
                data,
            );
        },
        "client_histories",
        CART,
        "although that was refused",
    ),
    (
        "what a client reads goes back",
        |s| {
            let entity = OrderShop.entity("/order/order-1").unwrap();
            let mut seen = SeenVersions::default();
            s.ledger.read(seen.answered(entity.clone(), 0, 5));
            s.ledger.read(seen.answered(entity, 5, 4));
        },
        "client_histories",
        ORDER,
        "version 4 was read after version 5",
    ),
];

#[test]
fn what_clients_may_do_is_no_fault() {
    let rows: [Deed; 8] = [
        ("a clerk who knows the reservation restocks", |s| {
            restock(s, LATE, 10)
        }),
        ("a restock is decided on the reservation's version", |s| {
            restock(s, LATE, 10);
            let body = stock("i-tea", "tea", 10);
            s.changed_if(("inventory", "i-tea"), "PUT", 200, Some(&body), Some(2));
        }),
        ("a change without an answer was carried out", |s| {
            restock(s, LATE, 10);
            let body = stock("i-tea", "tea", 10);
            s.changed(("inventory", "i-tea"), "PUT", 504, Some(&body));
        }),
        (
            "a cart that a client has changed is ordered in an array",
            |s| {
                let mut data = s.event(CART)["data"].clone();
                data["product_ids"] = json!(["cup", "tea", "tea"]);
                s.changed(("cart", CART), "PUT", 200, Some(&data));
                for (version, event, cause) in [(2, "put-2", "put-2"), (3, "m-0.ordered.2", "m")] {
                    let data = data.clone();
                    s.add(
                        ShopTopic::Cart,
                        CART,
                        version,
                        "entity_updated",
                        event,
                        cause,
                        data,
                    );
                }
                s.show();
            },
        ),
        ("a request is repeated with its key", |s| {
            s.answered_to_key("k", ShopTopic::Product, "tea");
            s.answered_to_key("k", ShopTopic::Product, "tea");
            s.answered_to_key("k", ShopTopic::Cart, CART);
        }),
        ("a cart is ordered again after its order was deleted", |s| {
            *s = compensated();
            second_order(s, "CREATED");
            let mut data = order("OUT_OF_STOCK");
            data["entity_id"] = json!("order-2");
            s.add(
                ShopTopic::Order,
                "order-2",
                2,
                "entity_updated",
                "order-2.out_of_stock",
                "order-2",
                data,
            );
            s.show();
        }),
        (
            "a client takes its own payment back, and is told so by a saga that finds it gone",
            |s| {
                *s = compensated();
                let bill = s.event("bill.returned");
                bill["event_id"] = json!("mine");
                bill["causation_id"] = json!("mine");
            },
        ),
        (
            "a client takes its own payment back before it is cleared",
            |s| {
                *s = compensated();
                let bill = s.event("bill.returned");
                bill["event_id"] = json!("mine");
                bill["causation_id"] = json!("mine");
                s.without("bill.returned.mail");
                s.show();
            },
        ),
    ];
    for (what, deed) in rows {
        let mut story = right();
        deed(&mut story);
        assert_eq!(story.fell(), [], "{what}");
    }
}
