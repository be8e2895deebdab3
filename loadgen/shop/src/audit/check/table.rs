//! Tests the checks with a correct story, and with the same story with one fault: each row says which check must report what.

use serde_json::json;

use super::super::gauges::Gauges;
use super::super::topic::ShopTopic;
use super::story::{compensated, quiet, right, without_lines};
use super::{faults, nothing_left, races, told};
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

#[test]
fn each_fault_is_named_by_its_check() {
    for (what, fault, check, id, words) in [faults::ROWS, races::ROWS, told::ROWS].concat() {
        let mut story = right();
        fault(&mut story);
        let fell = story.fell();
        let named = fell.iter().find(|report| report.name == check);
        let named = named.unwrap_or_else(|| panic!("{what}: {fell:?}"));
        let offender = named
            .offenders
            .iter()
            .find(|offender| offender.id == id && offender.reason.contains(words));
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
        ordershop_group_backlog{group=\"crm-service\",topic=\"billing\"} 4\n\
        ordershop_group_pending{group=\"crm-service\",topic=\"order\"} 3\n\
        ordershop_queue_depth{queue=\"mail-service.send\"} 2\n\
        ordershop_queue_held{queue=\"mail-service.send\"} 7\n\
        ordershop_queue_dead_letters{queue=\"mail-service.send\"} 5\n\
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
            "crm-service/billing: 4 events not handled",
            "crm-service/order: 3 events taken and not acknowledged",
            "mail-service.send: 2 messages waiting",
            "mail-service.send: 7 messages taken and not answered",
            "crm-service/order: 1 dead letters",
            "mail-service.send: 5 dead letters",
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
