//! A shipping's commands, and the only number in the shop that may have a fraction.

use std::collections::{BTreeMap, BTreeSet};

use ordershop_domain::{Command, Event, OrderStatus, Rejection, Shipping, ShippingFacts, decide};

fn shipping(order_id: &str, delivered: f64) -> Shipping {
    Shipping {
        entity_id: "s-1".into(),
        order_id: order_id.into(),
        delivered,
    }
}

fn facts(status: OrderStatus, shipped: &[&str]) -> ShippingFacts {
    ShippingFacts {
        orders: BTreeMap::from([("o-1".into(), status)]),
        shipped: shipped
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>(),
    }
}

#[test]
fn only_a_cleared_order_is_shipped_and_only_once() {
    for status in OrderStatus::ALL {
        let create = || Command::Create(shipping("o-1", 0.0));
        let first = decide("s-1", None, create(), &facts(status, &[]));
        if status == OrderStatus::Cleared {
            assert_eq!(first, Ok(vec![Event::Created(shipping("o-1", 0.0))]));
        } else {
            let told =
                format!("order \"o-1\" is {status}; only an order that is CLEARED can be shipped");
            assert_eq!(first, Err(Rejection::Conflict(told)));
        }
        let second = decide("s-1", None, create(), &facts(status, &["o-1"]));
        let told = "order \"o-1\" already has a shipping".to_owned();
        assert_eq!(second, Err(Rejection::Conflict(told)), "{status}");
    }
}

#[test]
fn a_shipping_of_an_order_that_does_not_exist_is_refused() {
    let refused = decide(
        "s-1",
        None,
        Command::Create(shipping("o-9", 0.0)),
        &facts(OrderStatus::Cleared, &[]),
    );

    let told = "order_id: there is no order \"o-9\"".to_owned();
    assert_eq!(refused, Err(Rejection::BadReference(told)));
}

#[test]
fn a_delivery_is_confirmed_corrected_and_never_taken_back() {
    // (delivered before, after, whether that is allowed)
    let rows = [
        (0.0, 1_700_000_000.0, true),
        (0.0, 1_700_000_000.25, true),
        (1_700_000_000.0, 1_700_000_001.0, true),
        (1_700_000_000.0, 0.0, false),
        (0.5, 0.0, false),
        (0.5, -0.0, false),
    ];
    for (from, to, allowed) in rows {
        // A delivery needs no facts: the order may have been deleted by then.
        let decided = decide(
            "s-1",
            Some(&shipping("o-1", from)),
            Command::Update(shipping("o-1", to)),
            &ShippingFacts::default(),
        );
        if allowed {
            assert_eq!(decided, Ok(vec![Event::Updated(shipping("o-1", to))]));
        } else {
            let told = "the shipping has been delivered; that can't be taken back".to_owned();
            assert_eq!(decided, Err(Rejection::Conflict(told)), "{from} to {to}");
        }
    }
}

#[test]
fn a_shipping_stays_with_its_order() {
    let refused = decide(
        "s-1",
        Some(&shipping("o-1", 0.0)),
        Command::Update(shipping("o-2", 1.0)),
        &ShippingFacts::default(),
    );

    let told = "the order of a shipping can't change: it is \"o-1\"".to_owned();
    assert_eq!(refused, Err(Rejection::Conflict(told)));
}

#[test]
fn a_shipping_is_deleted_only_if_its_order_is_not_paid_or_gone() {
    let gone = (ShippingFacts::default(), None);
    let orders = OrderStatus::ALL.map(|status| {
        let paid = [
            OrderStatus::Cleared,
            OrderStatus::Shipped,
            OrderStatus::Delivered,
        ];
        let refused = paid.contains(&status).then_some(status);
        (facts(status, &["o-1"]), refused)
    });
    for (facts, refused) in orders.into_iter().chain([gone]) {
        for delivered in [0.0, 1.5] {
            let before = shipping("o-1", delivered);
            let decided = decide("s-1", Some(&before), Command::Delete, &facts);
            let expected = match refused {
                None => Ok(vec![Event::Deleted(before)]),
                Some(status) => Err(Rejection::Conflict(format!(
                    "order \"o-1\" is {status}: its shipping can't be deleted"
                ))),
            };
            assert_eq!(decided, expected, "{facts:?}");
        }
    }
}

#[test]
fn a_time_before_1970_or_no_number_at_all_is_refused() {
    for delivered in [-1.0, -0.001, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for state in [None, Some(shipping("o-1", 0.0))] {
            let command = match state {
                None => Command::Create(shipping("o-1", delivered)),
                Some(_) => Command::Update(shipping("o-1", delivered)),
            };
            let told = format!("delivered is {delivered}; it is 0, or a Unix time in seconds");
            assert_eq!(
                decide(
                    "s-1",
                    state.as_ref(),
                    command,
                    &facts(OrderStatus::Cleared, &[])
                ),
                Err(Rejection::Invalid(told))
            );
        }
    }
}

#[test]
fn it_is_delivered_when_it_has_a_time() {
    for (delivered, arrived) in [(0.0, false), (-0.0, false), (0.001, true), (1.7e9, true)] {
        assert_eq!(
            shipping("o-1", delivered).is_delivered(),
            arrived,
            "{delivered}"
        );
    }
}

#[test]
fn delivered_looks_in_json_as_the_client_wrote_it() {
    let rows = [
        ("0", "0"),
        ("0.0", "0"),
        ("-0.0", "0"),
        ("1700000000", "1700000000"),
        ("1700000000.0", "1700000000"),
        ("1700000000.25", "1700000000.25"),
        ("0.5", "0.5"),
        ("1e300", "1e+300"),
    ];
    for (written, shown) in rows {
        let json = format!(r#"{{"entity_id":"s-1","order_id":"o-1","delivered":{written}}}"#);
        let read: Shipping = serde_json::from_str(&json).expect("a number");
        let back = serde_json::to_string(&read).expect("a shipping is JSON");
        assert_eq!(back, json.replace(written, shown));
        let again: Shipping = serde_json::from_str(&back).expect("its own JSON");
        assert_eq!(again, read, "what was shown can be put back");
    }
}

#[test]
fn a_shipping_in_json_is_read_strictly() {
    let new: Shipping = serde_json::from_str(r#"{"order_id":"o-1"}"#).expect("a client's shipping");
    assert_eq!((new.entity_id.as_str(), new.is_delivered()), ("", false));
    for wrong in [
        "{}",
        r#"{"order_id":"o-1","delivered":null}"#,
        r#"{"order_id":"o-1","delivered":"1"}"#,
        r#"{"order_id":"o-1","delivered":true}"#,
        r#"{"order_id":"o-1","carrier":"x"}"#,
    ] {
        assert!(serde_json::from_str::<Shipping>(wrong).is_err(), "{wrong}");
    }
}
