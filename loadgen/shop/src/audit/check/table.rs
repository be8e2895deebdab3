//! Tests the checks with a correct story, and with the same story with one fault: each row says which check must report what.

use serde_json::json;

use super::super::gauges::Gauges;
use super::super::topic::ShopTopic;
use super::nothing_left;
use super::story::{CART, ORDER, Story, compensated, quiet, reservation, right, without_lines};
use crate::order_shop::OrderShop;
use loadgen_engine::record::ledger::Meanings;
use loadgen_report::audit::CheckReport;

#[test]
fn a_story_that_is_right_passes_every_check_and_each_has_looked_at_something() {
    let checks = right().checked(0, true, &quiet());
    for check in &checks {
        assert_eq!(check.fell, 0, "{check:?}");
        assert!(check.checked > 0, "{check:?}");
    }
    let counts: Vec<u64> = checks.iter().map(|check| check.checked).collect();
    assert_eq!(counts, [8, 1, 1, 1, 3, 3, 1, 4, 13, 21, 1]);
}

/// The fault in words, the fault, the check that must report it, the offender's id, and words of the reason.
pub type FaultCase = (
    &'static str,
    fn(&mut Story),
    &'static str,
    &'static str,
    &'static str,
);

const ROWS: &[FaultCase] = &[
    (
        "an accepted write is nowhere",
        |s| s.accepted(ShopTopic::Cart, "lost"),
        "accepted_present",
        "lost",
        "never created",
    ),
    (
        "an accepted write is there twice",
        |s| {
            let mut again = s.event("ada").clone();
            again["event_id"] = json!("again");
            s.events.push((ShopTopic::Customer, again));
        },
        "accepted_present",
        "ada",
        "created 2 times",
    ),
    (
        "something nobody asked for",
        |s| {
            s.add(
                ShopTopic::Product,
                "ghost",
                1,
                "entity_created",
                "ghost",
                "ghost",
                json!({"entity_id": "ghost", "price": 1}),
            );
            s.show();
        },
        "accepted_present",
        "ghost",
        "without a request",
    ),
    (
        "a step is left out",
        |s| s.without("bill.cleared"),
        "order_histories",
        ORDER,
        "IN_STOCK → SHIPPED",
    ),
    (
        "an order is made as paid",
        |s| s.event(ORDER)["data"]["status"] = json!("CLEARED"),
        "order_histories",
        ORDER,
        "began as CLEARED",
    ),
    (
        "an order is forgotten",
        |s| {
            for id in [
                "order-1.in_stock",
                "bill.cleared",
                "bill.cleared.shipping.shipped",
                "put-1.delivered",
            ] {
                s.without(id);
            }
        },
        "order_histories",
        ORDER,
        "stuck in CREATED",
    ),
    (
        "a payment is forgotten",
        |s| {
            for id in [
                "bill.cleared",
                "bill.cleared.shipping.shipped",
                "put-1.delivered",
            ] {
                s.without(id);
            }
        },
        "order_histories",
        ORDER,
        "stuck in IN_STOCK: it has a billing",
    ),
    (
        "a parcel is forgotten",
        |s| {
            for id in [
                "bill.cleared.shipping",
                "bill.cleared.shipping.shipped",
                "put-1",
                "put-1.delivered",
            ] {
                s.without(id);
            }
        },
        "order_histories",
        ORDER,
        "stuck in CLEARED: it has no shipping",
    ),
    (
        "a delivery is forgotten",
        |s| s.without("put-1.delivered"),
        "order_histories",
        ORDER,
        "stuck in SHIPPED",
    ),
    (
        "a piece is lost",
        |s| s.event("order-1.stock_reserved.0")["data"]["amount"] = json!(7),
        "stock",
        "tea",
        "= 8, but its stock is 7",
    ),
    (
        "a piece is sold twice",
        |s| s.event("order-1.stock_reserved.1")["data"]["amount"] = json!(-1),
        "stock",
        "i-cup",
        "amount -1",
    ),
    (
        "a reservation is not what the cart holds",
        |s| {
            s.event("order-1.stock_reserved")["data"]["lines"][1]["quantity"] = json!(3);
        },
        "stock",
        ORDER,
        "not the lines of its order",
    ),
    (
        "a reservation is made twice",
        |s| {
            s.add(
                ShopTopic::Inventory,
                ORDER,
                2,
                "stock_reserved",
                "again",
                ORDER,
                reservation(),
            );
        },
        "stock",
        ORDER,
        "reserved 2 times",
    ),
    (
        "a reservation is missing",
        |s| s.without("order-1.stock_reserved"),
        "stock",
        ORDER,
        "without a reservation",
    ),
    (
        "shipped stock is given back",
        |s| {
            s.add(
                ShopTopic::Inventory,
                ORDER,
                2,
                "stock_released",
                "back",
                "x",
                reservation(),
            );
        },
        "stock",
        ORDER,
        "still needs it or was shipped",
    ),
    (
        "an order is deleted and its stock kept",
        |s| {
            *s = compensated();
            for id in [
                "del.stock_released.0",
                "del.stock_released.1",
                "del.stock_released",
            ] {
                s.without(id);
            }
        },
        "stock",
        ORDER,
        "not given back",
    ),
    (
        "a payment is a cent short",
        |s| s.event("bill")["data"]["amount"] = json!(1399),
        "money",
        "bill",
        "order-1 cost 1400",
    ),
    (
        "an order is billed twice",
        |s| {
            s.asked(
                ShopTopic::Billing,
                "bill-2",
                json!({"entity_id": "bill-2", "order_id": ORDER, "amount": 1400}),
            );
        },
        "money",
        "bill-2",
        "already had a billing",
    ),
    (
        "a mail is missing",
        |s| s.without("bill.mail"),
        "mails",
        ORDER,
        "no mail for a billing",
    ),
    (
        "a mail is sent twice",
        |s| {
            s.mail(
                "bill",
                "Dear Ada, we have received your payment of € 14.00 for order order-1.",
            )
        },
        "mails",
        ORDER,
        "2 mails",
    ),
    (
        "a mail without a reason",
        |s| s.mail("nothing", "Dear Ada, hello."),
        "mails",
        "nothing",
        "no event requires",
    ),
    (
        "a mail says a wrong sum",
        |s| {
            s.event("order-1.in_stock.mail")["data"]["message"] =
                json!("Dear Ada, thank you for your order order-1. Please pay € 1.00.");
        },
        "mails",
        ORDER,
        "wrong text",
    ),
    (
        "a mail goes to somebody else",
        |s| s.event("ada.mail")["data"]["recipient"] = json!("e@ve"),
        "mails",
        "ada",
        "wrong text or recipient",
    ),
    (
        "an entity is shown stale",
        |s| {
            let shown = s
                .shown
                .iter_mut()
                .find(|(topic, _)| *topic == ShopTopic::Order)
                .unwrap();
            shown.1["status"] = json!("SHIPPED");
        },
        "read_model",
        ORDER,
        "differs from its events",
    ),
    (
        "an entity is not shown",
        |s| s.shown.retain(|(topic, _)| *topic != ShopTopic::Cart),
        "read_model",
        CART,
        "not shown",
    ),
    (
        "an entity is shown that is not there",
        |s| s.shown.push((ShopTopic::Cart, json!({"entity_id": "x"}))),
        "read_model",
        "x",
        "does not exist",
    ),
    (
        "a mail is not shown",
        |s| drop(s.shown.pop()),
        "read_model",
        "mail",
        "1 sent, but not shown",
    ),
    (
        "a version is missing",
        |s| s.event("put-1.delivered")["version"] = json!(6),
        "versions",
        ORDER,
        "version 5 is missing",
    ),
    (
        "a version comes again",
        |s| s.event("put-1.delivered")["version"] = json!(4),
        "versions",
        ORDER,
        "version 4 is repeated",
    ),
    (
        "an event id comes again",
        |s| s.event("put-1.delivered")["event_id"] = json!("bill.cleared"),
        "versions",
        ORDER,
        "is not unique",
    ),
    (
        "a position goes back",
        |s| s.event("put-1.delivered")["position"] = json!("3-0"),
        "versions",
        ORDER,
        "not above",
    ),
    (
        "data that is no entity",
        |s| s.event("bill")["data"] = json!({"sum": 1}),
        "versions",
        "bill",
        "can't be read",
    ),
];

#[test]
fn each_fault_is_named_by_its_check() {
    for (what, fault, check, id, words) in ROWS.iter().chain(super::races::ROWS) {
        let mut story = right();
        fault(&mut story);
        let fell = story.fell();
        let named = fell.iter().find(|report| report.name == *check);
        let named = named.unwrap_or_else(|| panic!("{what}: {fell:?}"));
        let offender = named
            .offenders
            .iter()
            .find(|offender| offender.id == *id && offender.reason.contains(words));
        assert!(offender.is_some(), "{what}: {named:?}");
    }
}

#[test]
fn a_sale_without_lines_and_a_compensated_one_pass_every_check() {
    for story in [without_lines(), compensated()] {
        assert_eq!(story.fell(), []);
    }
}

#[test]
fn gauges_that_are_not_zero_are_left_overs() {
    let text = "ordershop_group_backlog{group=\"crm-service\",topic=\"order\"} 0\n\
        ordershop_queue_depth{queue=\"mail-service.send\"} 2\n\
        ordershop_group_dead_letters{group=\"crm-service\",topic=\"order\"} 1\n";
    let report = nothing_left(Gauges::parse(text).as_ref(), Some("not at rest"));
    let found: Vec<String> = report
        .offenders
        .iter()
        .map(|o| format!("{}: {}", o.id, o.reason))
        .collect();
    assert_eq!(
        found,
        [
            "the target: not at rest",
            "mail-service.send: 2 messages waiting",
            "crm-service/order: 1 dead letters",
        ]
    );
    assert_eq!(
        nothing_left(None, None).skipped.as_deref(),
        Some("the target has no /metrics")
    );
}

#[test]
fn a_write_without_an_answer_may_have_been_carried_out_once_or_not() {
    let mut story = right();
    story
        .ledger
        .sent(&OrderShop.posted("/product", None).unwrap());
    assert_eq!(story.fell(), []);
    for (name, fell) in [("once", 0), ("twice", 1)] {
        story.add(
            ShopTopic::Product,
            name,
            1,
            "entity_created",
            name,
            name,
            json!({"entity_id": name, "price": 1}),
        );
        story.show();
        assert_eq!(story.fell().len(), fell, "{name}");
    }
}

#[test]
fn what_was_promised_for_later_may_be_missing_only_where_something_was_refused() {
    let mut story = right();
    let posted = OrderShop.posted("/carts", None).unwrap();
    story.ledger.sent(&posted);
    story.ledger.answered(
        &posted,
        OrderShop.answered(&posted, 202, br#"{"result": "later"}"#),
    );
    assert_eq!(story.fell()[0].offenders[0].id, "later");
    let mut gauges = quiet();
    gauges
        .refused_later
        .insert("cart-service.create_carts".into(), 1);
    assert_eq!(story.checked(0, true, &gauges)[0].fell, 0);
}

#[test]
fn what_began_before_the_run_is_not_judged() {
    let mut story = right();
    story.event("bill")["data"]["amount"] = json!(1);
    story.without("put-1.delivered");
    story.event("order-1.stock_reserved.0")["data"]["amount"] = json!(7);
    story.mail("nothing", "hello");
    story.shown.clear();
    assert!(story.fell().len() > 4);
    let checks = story.checked(1_000_000, false, &quiet());
    let fell: Vec<&CheckReport> = checks.iter().filter(|check| check.fell > 0).collect();
    // Mails are listed without a time, so all of them are compared.
    assert!(
        fell.iter().all(|check| check.name == "read_model"),
        "{fell:?}"
    );
}

#[test]
fn without_a_total_a_price_that_changes_meanwhile_leaves_both_sums_right_and_no_third() {
    for (amount, fell) in [(1400, 0), (1500, 0), (1600, 1)] {
        let mut story = without_lines();
        let place = story
            .events
            .iter()
            .position(|(_, event)| event["event_id"] == "bill")
            .unwrap();
        let mut change = story.event("tea").clone();
        change["version"] = json!(2);
        change["event_id"] = json!("dearer");
        change["action"] = json!("entity_updated");
        change["data"]["price"] = json!(300);
        change["position"] = json!("10-5");
        change["published_at_us"] = json!(10_500);
        story.events.insert(place, (ShopTopic::Product, change));
        story.event("bill")["data"]["amount"] = json!(amount);
        let checks = story.checked(0, true, &quiet());
        let money = checks.iter().find(|check| check.name == "money").unwrap();
        assert_eq!(money.fell, fell, "{amount}: {money:?}");
    }
}
