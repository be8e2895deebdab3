//! A billing's commands: which orders can be billed, for which amount, how often, and until when a payment can be taken back.

use std::collections::{BTreeMap, BTreeSet};

use ordershop_domain::{
    AMOUNT_MAX, Billing, BillingFacts, Command, Event, Order, OrderOfBilling, OrderStatus,
    Rejection, decide,
};

fn billing(order_id: &str, amount: u64) -> Billing {
    Billing {
        entity_id: "b-1".into(),
        order_id: order_id.into(),
        amount,
    }
}

fn order(order_id: &str, status: OrderStatus, total: Option<u64>) -> (String, OrderOfBilling) {
    let order = Order {
        entity_id: order_id.into(),
        cart_id: "c-1".into(),
        status,
        customer_id: None,
        lines: None,
        total: None,
    };
    let version = 2;
    let order = OrderOfBilling {
        order,
        version,
        total,
    };
    (order_id.into(), order)
}

/// Order `o-1` has this status and costs 700 cents; `o-2` is IN_STOCK and costs 700; nobody knows any more what `o-lost` costs.
fn facts(status: OrderStatus, billed: &[&str]) -> BillingFacts {
    BillingFacts {
        orders: BTreeMap::from([
            order("o-1", status, Some(700)),
            order("o-2", OrderStatus::InStock, Some(700)),
            order("o-lost", OrderStatus::InStock, None),
        ]),
        billed: billed
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>(),
    }
}

#[test]
fn an_order_is_billed_in_stock_or_uncleared_and_in_no_other_status() {
    for status in OrderStatus::ALL {
        let decided = decide(
            "b-1",
            None,
            Command::Create(billing("o-1", 700)),
            &facts(status, &[]),
        );
        if [OrderStatus::InStock, OrderStatus::Uncleared].contains(&status) {
            assert_eq!(decided, Ok(vec![Event::Created(billing("o-1", 700))]));
            continue;
        }
        let told = format!(
            "order \"o-1\" is {status}; only an order that is IN_STOCK or UNCLEARED can be billed"
        );
        assert_eq!(decided, Err(Rejection::Conflict(told)));
    }
}

#[test]
fn a_billing_is_refused_with_the_reason() {
    let conflict = |text: &str| Rejection::Conflict(text.into());
    let reference = |text: &str| Rejection::BadReference(text.into());
    let invalid = |text: &str| Rejection::Invalid(text.into());
    let gone =
        "order_id: the cart of order \"o-lost\" or one of its products does not exist any more";
    let cost =
        |amount: u64| format!("amount is {amount}, but the products of order \"o-1\" cost 700");
    let too_much = format!(
        "amount is {}; at most {AMOUNT_MAX} is allowed",
        AMOUNT_MAX + 1
    );
    // (the billing before, the billing after, orders that are billed, the refusal)
    let rows: Vec<(Option<Billing>, Billing, &[&str], Rejection)> = vec![
        (
            None,
            billing("o-9", 700),
            &[],
            reference("order_id: there is no order \"o-9\""),
        ),
        (
            None,
            billing("o-1", 700),
            &["o-1"],
            conflict("order \"o-1\" is already billed"),
        ),
        (
            None,
            billing("o-1", 1),
            &["o-1"],
            conflict("order \"o-1\" is already billed"),
        ),
        (None, billing("o-1", 699), &[], reference(&cost(699))),
        (None, billing("o-1", 701), &[], reference(&cost(701))),
        (None, billing("o-1", 0), &[], reference(&cost(0))),
        (
            None,
            billing("o-1", AMOUNT_MAX),
            &[],
            reference(&cost(AMOUNT_MAX)),
        ),
        (
            None,
            billing("o-1", AMOUNT_MAX + 1),
            &[],
            invalid(&too_much),
        ),
        (None, billing("o-lost", 700), &[], reference(gone)),
        (
            Some(billing("o-1", 700)),
            billing("o-2", 700),
            &["o-1"],
            conflict("order of a billing can't change: it is \"o-1\""),
        ),
        (
            Some(billing("o-1", 700)),
            billing("o-9", 700),
            &["o-1"],
            reference("there is no order \"o-9\""),
        ),
        (
            Some(billing("o-1", 700)),
            billing("o-1", 699),
            &["o-1"],
            reference(&cost(699)),
        ),
    ];
    for (before, after, billed, expected) in rows {
        let command = match before {
            None => Command::Create(after.clone()),
            Some(_) => Command::Update(after.clone()),
        };
        let refused = decide(
            "b-1",
            before.as_ref(),
            command,
            &facts(OrderStatus::InStock, billed),
        )
        .expect_err(&format!("{after:?}"));
        assert_eq!(
            std::mem::discriminant(&refused),
            std::mem::discriminant(&expected),
            "{refused:?}"
        );
        let (told, fragment) = (refused.to_string(), expected.to_string());
        assert!(told.contains(&fragment), "{told:?} lacks {fragment:?}");
    }
}

#[test]
fn an_amount_that_was_wrong_can_be_put_right_whatever_the_order_has_become() {
    for status in OrderStatus::ALL {
        let events = decide(
            "b-1",
            Some(&billing("o-1", 650)),
            Command::Update(billing("o-1", 700)),
            &facts(status, &["o-1"]),
        );
        assert_eq!(events, Ok(vec![Event::Updated(billing("o-1", 700))]));
    }
}

#[test]
fn a_payment_can_be_taken_back_until_its_order_is_shipped_and_after_its_order_is_gone() {
    let before = billing("o-1", 700);
    let deleted = || Ok(vec![Event::Deleted(before.clone())]);
    for status in OrderStatus::ALL {
        let facts = facts(status, &["o-1"]);
        let decided = decide("b-1", Some(&before), Command::Delete, &facts);
        if [OrderStatus::Shipped, OrderStatus::Delivered].contains(&status) {
            let told =
                format!("order \"o-1\" is {status}: its payment can't be taken back any more");
            assert_eq!(decided, Err(Rejection::Conflict(told)));
        } else {
            assert_eq!(decided, deleted(), "{status}");
        }
    }
    let nothing = BillingFacts::default();
    let decided = decide("b-1", Some(&before), Command::Delete, &nothing);
    assert_eq!(decided, deleted(), "its order is gone");
}

#[test]
fn an_order_of_free_products_is_billed_with_nothing() {
    let facts = BillingFacts {
        orders: BTreeMap::from([order("o-1", OrderStatus::InStock, Some(0))]),
        billed: BTreeSet::new(),
    };

    let events = decide("b-1", None, Command::Create(billing("o-1", 0)), &facts);

    assert_eq!(events, Ok(vec![Event::Created(billing("o-1", 0))]));
}

#[test]
fn a_billing_in_json_takes_whole_cents_only() {
    let shape = serde_json::to_value(billing("o-1", 700)).expect("a billing is JSON");
    assert_eq!(
        shape,
        serde_json::json!({"entity_id":"b-1","order_id":"o-1","amount":700})
    );
    for amount in [
        "-1",
        "7.5",
        "7.0",
        "1e3",
        "\"7\"",
        "null",
        "18446744073709551616",
    ] {
        let wrong = format!(r#"{{"order_id":"o-1","amount":{amount}}}"#);
        assert!(serde_json::from_str::<Billing>(&wrong).is_err(), "{wrong}");
    }
}
