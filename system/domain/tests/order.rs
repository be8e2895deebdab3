//! An order after its creation: no PUT changes it, what was read can be put back, until when it can be deleted, and its JSON.

use ordershop_domain::OrderStatus::{
    self, Cleared, Created, Delivered, InStock, OutOfStock, Shipped, Uncleared,
};
use ordershop_domain::{Command, Event, Order, OrderFacts, OrderLine, Rejection, decide};
use serde_json::json;

#[path = "sample/order.rs"]
mod sample;
use sample::{bare, bought, conflict, line, two_cups_and_a_pot};

fn put(before: &Order, after: Order) -> Result<Vec<Event<Order>>, Rejection> {
    // A PUT needs no facts: cart, customer and products may be gone by then.
    let nothing = OrderFacts::default();
    decide("o-1", Some(before), Command::Update(after), &nothing)
}

#[test]
fn a_purchase_is_told_by_an_order_that_has_all_of_it_and_survives_each_status() {
    for status in OrderStatus::ALL {
        let order = bought(Created).with_status(status);
        assert_eq!(order, bought(status));
        assert_eq!(order.purchase(), Some(two_cups_and_a_pot()));
    }
    let mut partial = [bought(Created), bought(Created), bought(Created)];
    partial[0].customer_id = None;
    partial[1].lines = None;
    partial[2].total = None;
    for order in partial.iter().chain([&bare(Created)]) {
        assert_eq!(order.purchase(), None, "{order:?}");
    }
}

#[test]
fn no_put_changes_a_status() {
    for from in OrderStatus::ALL {
        for to in OrderStatus::ALL {
            let expected = if from == to {
                Ok(vec![])
            } else {
                conflict(format!(
                    "the status of an order can't be set: it is {from}, and follows from its stock, billing and shipping"
                ))
            };
            for before in [bought(from), bare(from)] {
                assert_eq!(put(&before, before.with_status(to)), expected, "{to}");
            }
        }
    }
}

#[test]
fn what_was_read_can_be_put_back_with_or_without_what_the_system_set() {
    for status in OrderStatus::ALL {
        // Each of the eight choices of customer, lines and total.
        for choice in 0..8 {
            let mut after = bought(status);
            if choice & 1 == 0 {
                after.customer_id = None;
            }
            if choice & 2 == 0 {
                after.lines = None;
            }
            if choice & 4 == 0 {
                after.total = None;
            }
            assert_eq!(put(&bought(status), after), Ok(vec![]), "{status} {choice}");
        }
        // An order of a foreign service has none of them.
        assert_eq!(put(&bare(status), bare(status)), Ok(vec![]), "{status}");
    }
}

#[test]
fn no_put_changes_what_an_order_was_decided_on() {
    let customer = |id: &str| Order {
        customer_id: Some(id.into()),
        ..bought(InStock)
    };
    let lines = |lines: &[OrderLine]| Order {
        lines: Some(lines.to_vec()),
        ..bought(InStock)
    };
    let total = |total| Order {
        total: Some(total),
        ..bought(InStock)
    };
    let (cups, pot) = (line("cup", 2, 250), line("pot", 1, 1_999));
    let before = bought(InStock);
    let told = "customer_id, lines and total of an order can't change; leave them out, or send them as they are";
    for after in [
        customer("k-2"),
        customer(""),
        lines(&[]),
        lines(&[line("cup", 2, 250)]),
        lines(&[pot.clone(), cups]),
        lines(&[line("cup", 3, 250), pot.clone()]),
        lines(&[line("cup", 2, 249), pot.clone()]),
        lines(&[line("mug", 2, 250), pot]),
        total(2_498),
        total(0),
    ] {
        assert_eq!(put(&before, after.clone()), conflict(told), "{after:?}");
    }
    // A client can't complete the order of a foreign service.
    let parts = [
        Order {
            customer_id: before.customer_id.clone(),
            ..bare(InStock)
        },
        Order {
            lines: before.lines.clone(),
            ..bare(InStock)
        },
        Order {
            total: before.total,
            ..bare(InStock)
        },
    ];
    for after in parts {
        let refused = put(&bare(InStock), after.clone());
        assert_eq!(refused, conflict(told), "{after:?}");
    }
}

#[test]
fn an_order_stays_with_its_cart_whatever_its_status() {
    for status in OrderStatus::ALL {
        let moved = Order {
            cart_id: "c-2".into(),
            ..bought(status)
        };
        let told = "the cart of an order can't change: it is \"c-1\"";
        assert_eq!(put(&bought(status), moved), conflict(told), "{status}");
    }
}

#[test]
fn an_order_can_be_deleted_until_it_is_paid_and_its_event_says_what_it_was() {
    let rows = [
        (Created, true),
        (InStock, true),
        (OutOfStock, true),
        (Cleared, false),
        (Uncleared, true),
        (Shipped, false),
        (Delivered, false),
    ];
    assert_eq!(rows.len(), OrderStatus::ALL.len());
    for (status, allowed) in rows {
        for before in [bought(status), bare(status)] {
            let nothing = OrderFacts::default();
            let decided = decide("o-1", Some(&before), Command::Delete, &nothing);
            let expected = if allowed {
                Ok(vec![Event::Deleted(before)])
            } else {
                conflict(format!(
                    "order \"o-1\" is {status}: what is paid can't be deleted; delete its billing first, while nothing is shipped"
                ))
            };
            assert_eq!(decided, expected);
        }
    }
}

#[test]
fn an_order_in_json_leaves_out_what_it_does_not_have() {
    let posted: Order = serde_json::from_str(r#"{"cart_id":"c-1"}"#).expect("a client's order");
    let expected = Order {
        entity_id: String::new(),
        ..bare(Created)
    };
    assert_eq!(posted, expected);
    let rows = [
        (
            bare(InStock),
            json!({"entity_id":"o-1","cart_id":"c-1","status":"IN_STOCK"}),
        ),
        (
            bought(InStock),
            json!({
                "entity_id": "o-1",
                "cart_id": "c-1",
                "status": "IN_STOCK",
                "customer_id": "k-1",
                "lines": [
                    {"product_id": "cup", "quantity": 2, "price": 250},
                    {"product_id": "pot", "quantity": 1, "price": 1_999},
                ],
                "total": 2_499,
            }),
        ),
        (
            Order {
                lines: Some(vec![]),
                ..bare(Created)
            },
            json!({"entity_id":"o-1","cart_id":"c-1","status":"CREATED","lines":[]}),
        ),
    ];
    for (order, shape) in rows {
        let written = serde_json::to_value(&order).expect("an order is JSON");
        assert_eq!(written, shape);
        let back: Order = serde_json::from_value(written).expect("its own JSON");
        assert_eq!(back, order);
    }
}

#[test]
fn an_order_in_json_is_read_strictly() {
    let line = r#"{"product_id":"cup","quantity":1,"price":1}"#;
    let with_lines = |lines: &str| format!(r#"{{"cart_id":"c-1","lines":{lines}}}"#);
    let right = with_lines(&format!("[{line}]"));
    assert!(serde_json::from_str::<Order>(&right).is_ok(), "{right}");
    for wrong in [
        "{}".to_owned(),
        r#"{"cart_id":1}"#.into(),
        r#"{"cart_id":null}"#.into(),
        r#"{"cart_id":"c-1","state":"CREATED"}"#.into(),
        r#"{"cart_id":"c-1","status":"PAID"}"#.into(),
        r#"{"cart_id":"c-1","customer_id":1}"#.into(),
        r#"{"cart_id":"c-1","total":-1}"#.into(),
        r#"{"cart_id":"c-1","total":1.5}"#.into(),
        r#"{"cart_id":"c-1","total":"1"}"#.into(),
        with_lines(line),
        with_lines(r#"["cup"]"#),
        with_lines(r#"[{"product_id":"cup","quantity":1}]"#),
        with_lines(r#"[{"product_id":"cup","quantity":-1,"price":1}]"#),
        with_lines(r#"[{"product_id":"cup","quantity":1,"price":0.5}]"#),
        with_lines(r#"[{"product_id":"cup","quantity":1,"price":1,"name":"x"}]"#),
    ] {
        assert!(serde_json::from_str::<Order>(&wrong).is_err(), "{wrong}");
    }
}
