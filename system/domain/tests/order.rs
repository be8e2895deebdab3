//! An order's commands: every status by PUT from every other, and what else is refused.

use std::collections::BTreeSet;

use ordershop_domain::OrderStatus::{
    self, Cleared, Created, Delivered, InStock, OutOfStock, Shipped, Uncleared,
};
use ordershop_domain::{Command, Event, Order, OrderFacts, Rejection, decide, evolve};

/// The pairs that may follow each other, written down independently of the code. Seven more (equal ones) change nothing; the
/// other 35 are refused.
const LEGAL: [(OrderStatus, OrderStatus); 7] = [
    (Created, InStock),
    (Created, OutOfStock),
    (InStock, Cleared),
    (Cleared, Shipped),
    (Cleared, Uncleared),
    (Uncleared, Cleared),
    (Shipped, Delivered),
];

fn order(status: OrderStatus) -> Order {
    Order {
        entity_id: "o-1".into(),
        cart_id: "c-1".into(),
        status,
    }
}

fn facts() -> OrderFacts {
    OrderFacts {
        carts: BTreeSet::from(["c-1".into(), "c-2".into()]),
    }
}

#[track_caller]
fn check_conflict(state: Option<Order>, command: Command<Order>, fragments: &[&str]) {
    match decide("o-1", state.as_ref(), command.clone(), &facts()) {
        Err(Rejection::Conflict(text)) => {
            for fragment in fragments {
                assert!(text.contains(fragment), "{text:?} lacks {fragment:?}");
            }
        }
        other => panic!("{state:?}, {command:?}: {other:?}"),
    }
}

#[test]
fn a_put_moves_an_order_along_every_legal_pair_and_along_no_other() {
    let (mut legal, mut same, mut illegal) = (0, 0, 0);
    for from in OrderStatus::ALL {
        for to in OrderStatus::ALL {
            let (before, after) = (order(from), order(to));
            if from == to {
                let events = decide("o-1", Some(&before), Command::Update(after), &facts());
                assert_eq!(events, Ok(vec![]), "{from} to itself");
                same += 1;
            } else if LEGAL.contains(&(from, to)) {
                let events = decide(
                    "o-1",
                    Some(&before),
                    Command::Update(after.clone()),
                    &facts(),
                );
                assert_eq!(
                    events,
                    Ok(vec![Event::Updated(after.clone())]),
                    "{from} to {to}"
                );
                assert_eq!(
                    evolve(Some(before), Event::Updated(after.clone())),
                    Some(after)
                );
                legal += 1;
            } else {
                let told = format!("an order that is {from} can't become {to}");
                check_conflict(Some(before), Command::Update(after), &[&told]);
                illegal += 1;
            }
        }
    }
    assert_eq!((legal, same, illegal), (7, 7, 35));
}

#[test]
fn a_refused_status_names_those_that_would_be_right() {
    let rows = [
        (Created, Shipped, "only IN_STOCK or OUT_OF_STOCK"),
        (InStock, Delivered, "only CLEARED"),
        (Cleared, Delivered, "only SHIPPED or UNCLEARED"),
        (Uncleared, Shipped, "only CLEARED"),
        (Shipped, Cleared, "only DELIVERED"),
        (OutOfStock, InStock, "OUT_OF_STOCK is final"),
        (Delivered, Shipped, "DELIVERED is final"),
    ];
    for (from, to, fragment) in rows {
        check_conflict(Some(order(from)), Command::Update(order(to)), &[fragment]);
    }
}

#[test]
fn an_order_begins_as_created_and_as_nothing_else() {
    for status in OrderStatus::ALL {
        if status == Created {
            let events = decide("o-1", None, Command::Create(order(status)), &facts());
            assert_eq!(events, Ok(vec![Event::Created(order(status))]));
        } else {
            let told = format!("begins as CREATED, not as {status}");
            check_conflict(None, Command::Create(order(status)), &[&told]);
        }
    }
}

#[test]
fn an_order_of_a_cart_that_does_not_exist_is_refused() {
    let stray = Order {
        cart_id: "c-9".into(),
        ..order(Created)
    };

    let refused = decide("o-1", None, Command::Create(stray), &facts());

    assert_eq!(
        refused,
        Err(Rejection::BadReference(
            "cart_id: there is no cart \"c-9\"".into()
        ))
    );
}

#[test]
fn an_order_stays_with_its_cart_whatever_its_status() {
    for status in OrderStatus::ALL {
        let moved = Order {
            cart_id: "c-2".into(),
            ..order(status)
        };
        check_conflict(
            Some(order(status)),
            Command::Update(moved),
            &["cart of an order can't change", "\"c-1\""],
        );
    }
}

#[test]
fn an_order_whose_cart_is_gone_still_moves_on_and_can_be_put_back() {
    let nothing = OrderFacts::default();
    for (from, to) in LEGAL {
        let moved = decide(
            "o-1",
            Some(&order(from)),
            Command::Update(order(to)),
            &nothing,
        );
        assert_eq!(moved, Ok(vec![Event::Updated(order(to))]));
        let same = decide(
            "o-1",
            Some(&order(from)),
            Command::Update(order(from)),
            &nothing,
        );
        assert_eq!(same, Ok(vec![]));
    }
}

#[test]
fn an_order_can_be_deleted_from_every_status_and_its_event_says_what_it_was() {
    for status in OrderStatus::ALL {
        let events = decide("o-1", Some(&order(status)), Command::Delete, &facts());
        assert_eq!(events, Ok(vec![Event::Deleted(order(status))]));
    }
}

#[test]
fn an_order_in_json_may_leave_out_id_and_status_and_nothing_else() {
    let posted: Order = serde_json::from_str(r#"{"cart_id":"c-1"}"#).expect("a client's order");
    assert_eq!((posted.entity_id.as_str(), posted.status), ("", Created));
    let shape = serde_json::to_value(order(InStock)).expect("an order is JSON");
    assert_eq!(
        shape,
        serde_json::json!({"entity_id":"o-1","cart_id":"c-1","status":"IN_STOCK"})
    );
    for wrong in [
        r"{}",
        r#"{"cart_id":1}"#,
        r#"{"cart_id":null}"#,
        r#"{"cart_id":"c-1","state":"CREATED"}"#,
        r#"{"cart_id":"c-1","status":"PAID"}"#,
    ] {
        assert!(serde_json::from_str::<Order>(wrong).is_err(), "{wrong}");
    }
}
