//! Tests the audit against the real shop: a correct shop passes, and each fault planted in its Redis is reported.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "audit/archive.rs"]
mod archive;
#[path = "support/program.rs"]
mod support;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::shop::{Sale, Shop, ordershop};
use support::{Loadgen, SmallSystem, eventually, open};

fn audit(url: &str) -> (i32, Value, String) {
    audit_with(url, &[])
}

/// Audits a shop and its archives.
fn audit_with(url: &str, archives: &[&Path]) -> (i32, Value, String) {
    let archives = archives
        .iter()
        .flat_map(|file| [OsStr::new("--archive"), file.as_os_str()]);
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args([
            "audit",
            "--target",
            url,
            "--format",
            "json",
            "--drain-timeout",
            "20s",
        ])
        .args(archives)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), report, text)
}

/// The offenders, as `check id: reason`.
fn offenders(audit: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for check in audit["checks"].as_array().unwrap() {
        for offender in check["offenders"].as_array().unwrap() {
            let text = |name: &str| offender[name].as_str().unwrap().to_owned();
            let name = check["name"].as_str().unwrap();
            found.push(format!("{name} {}: {}", text("id"), text("reason")));
        }
    }
    found
}

/// Makes one sale, plants a fault, and expects the audit to report it.
#[track_caller]
fn names(plant: impl Fn(&Shop, &Sale), check: &str, id: impl Fn(&Sale) -> String, words: &str) {
    let shop = Shop::open();
    let sale = shop.sell();
    plant(&shop, &sale);
    let (code, report, text) = audit(&shop.url);
    assert_eq!(code, 1, "{text}");
    let found = offenders(&report);
    let expected = format!("{check} {}: ", id(&sale));
    let named = found
        .iter()
        .any(|f| f.starts_with(&expected) && f.contains(words));
    assert!(named, "{expected}…{words} is not in {found:#?}");
    audited(&text, "| FAIL ");
    assert!(text.contains(&format!("FAILED {check}")), "{text}");
}

/// Checks the outcome in the last row of what is printed of an audit.
#[track_caller]
fn audited(text: &str, outcome: &str) {
    let mut rows = text.lines().filter(|line| line.starts_with("| audit "));
    assert!(rows.any(|row| row.contains(outcome)), "{text}");
}

#[test]
fn a_shop_that_did_right_passes() {
    let shop = Shop::open();
    shop.sell();
    let (code, report, text) = audit(&shop.url);
    assert_eq!(code, 0, "{text}");
    assert_eq!(offenders(&report), Vec::<String>::new());
    assert!(text.contains("PASS"), "{text}");
    // Customer, product, cart and its mark; inventory, its update and the reservation; 4 events of the order; billing; shipping; 4 mails.
    assert_eq!(report["events"], 4 + 3 + 4 + 1 + 1 + 4, "{text}");
}

#[test]
fn an_event_that_was_removed_is_missed() {
    let remove = |shop: &Shop, sale: &Sale| {
        let position = shop.position("order", &sale.order, 3);
        shop.redis(&["XDEL", "events:{order}", &position]);
    };
    names(
        remove,
        "versions",
        |sale| sale.order.clone(),
        "version 3 is missing",
    );
}

#[test]
fn an_order_that_was_forgotten_is_stuck() {
    let remove = |shop: &Shop, sale: &Sale| {
        for version in [3, 4] {
            let position = shop.position("order", &sale.order, version);
            shop.redis(&["XDEL", "events:{order}", &position]);
        }
    };
    names(
        remove,
        "order_histories",
        |sale| sale.order.clone(),
        "stuck in IN_STOCK",
    );
}

#[test]
fn a_mail_that_was_sent_twice_is_counted() {
    let double = |shop: &Shop, sale: &Sale| {
        let id = format!("{}.mail", sale.billing);
        let text = format!(
            "Dear Ada, we have received your payment of € 5.00 for order {}.",
            sale.order
        );
        let data = json!({"recipient": "ada@example.com", "message": text});
        shop.plant("mail", &id, 2, "mail_sent", &id, &data);
    };
    names(double, "mails", |sale| sale.order.clone(), "2 mails");
}

#[test]
fn stock_that_is_off_by_one_is_found() {
    let lose = |shop: &Shop, sale: &Sale| {
        let data = json!({"entity_id": sale.inventory, "product_id": sale.product, "amount": 7});
        shop.plant(
            "inventory",
            &sale.inventory,
            3,
            "entity_updated",
            "a loss",
            &data,
        );
    };
    names(
        lose,
        "stock",
        |sale| sale.product.clone(),
        "= 8, but its stock is 7",
    );
}

#[test]
fn stock_that_is_shown_wrong_is_found() {
    let lose = |shop: &Shop, sale: &Sale| {
        let data = json!({"entity_id": sale.inventory, "product_id": sale.product, "amount": 9});
        shop.plant_shown("inventory", "inventories", &sale.inventory, 2, &data);
    };
    names(
        lose,
        "read_model",
        |sale| sale.inventory.clone(),
        "differs from its events",
    );
}

#[test]
fn an_entity_that_is_shown_stale_is_found() {
    let stale = |shop: &Shop, sale: &Sale| {
        let mut order = shop.get(&format!("/order/{}", sale.order));
        order["status"] = json!("CLEARED");
        shop.plant_shown("order", "orders", &sale.order, 4, &order);
    };
    names(stale, "read_model", |sale| sale.order.clone(), "differs");
}

#[test]
fn a_payment_over_another_sum_is_found() {
    let cheat = |shop: &Shop, sale: &Sale| {
        let data = json!({"entity_id": sale.billing, "order_id": sale.order, "amount": 499});
        shop.plant(
            "billing",
            &sale.billing,
            2,
            "entity_updated",
            "a cheat",
            &data,
        );
    };
    names(cheat, "money", |sale| sale.billing.clone(), "amount 499");
}

#[test]
fn a_payment_that_was_taken_back_after_it_was_shipped_is_found() {
    let take_back = |shop: &Shop, sale: &Sale| {
        let data = json!({"entity_id": sale.billing, "order_id": sale.order, "amount": 500});
        shop.plant("billing", &sale.billing, 2, "entity_deleted", "late", &data);
    };
    names(
        take_back,
        "paid_and_shipped",
        |sale| sale.order.clone(),
        "it is SHIPPED, but has 0 billings",
    );
}

#[test]
fn an_order_that_was_paid_and_is_gone_is_found() {
    let delete = |shop: &Shop, sale: &Sale| {
        let order = shop.get(&format!("/order/{}", sale.order));
        shop.plant("order", &sale.order, 5, "entity_deleted", "gone", &order);
    };
    names(
        delete,
        "paid_and_shipped",
        |sale| sale.billing.clone(),
        "was not returned",
    );
}

#[test]
fn a_cart_that_was_ordered_twice_is_found() {
    let again = |shop: &Shop, sale: &Sale| {
        let mut order = shop.get(&format!("/order/{}", sale.order));
        order["entity_id"] = json!("another");
        order["status"] = json!("CREATED");
        shop.plant("order", "another", 1, "entity_created", "another", &order);
    };
    names(
        again,
        "ordered",
        |_| "another".to_owned(),
        "already has order",
    );
}

#[test]
fn a_version_that_was_left_out_is_found() {
    let skip = |shop: &Shop, sale: &Sale| {
        let data = json!({"entity_id": sale.product, "name": "Tea", "price": 250});
        shop.plant(
            "product",
            &sale.product,
            3,
            "entity_updated",
            "a leap",
            &data,
        );
    };
    names(
        skip,
        "versions",
        |sale| sale.product.clone(),
        "version 2 is missing",
    );
}

#[test]
fn a_dead_letter_is_a_left_over() {
    let bury = |shop: &Shop, _: &Sale| {
        shop.redis(&["XADD", "dead:{order}:crm-service", "*", "reason", "a test"]);
    };
    names(
        bury,
        "nothing_left",
        |_| "crm-service/order".to_owned(),
        "1 dead letters",
    );
}

#[test]
fn a_target_without_events_is_bad_input_for_an_audit_and_no_failure_of_a_run() {
    let system = SmallSystem::start();
    let (code, _, text) = audit(&system.url);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("not possible on this target"), "{text}");
    let writes = open(20, "1s", "")
        .replace("\"GET\"", "\"POST\"")
        .replace("/result/entity_id", "/result/0");
    let ended = Loadgen::scenario(&writes).target(&system).run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        !ended.stdout.contains("every event was compared"),
        "{}",
        ended.stdout
    );
    let why = ended.report()["audit"]["not_possible"].clone();
    assert!(why.as_str().unwrap().contains("/events"), "{why}");
    audited(&ended.stdout, "not possible on this target");
    let ended = Loadgen::scenario(&writes)
        .target(&system)
        .arguments(&["--no-audit"])
        .run();
    assert_eq!(ended.report()["audit"], Value::Null);
}

/// A scenario that creates customers one after the other, more than the test needs.
const CUSTOMERS: &str = r#"name = "test"
description = "customers"

[workload]
kind = "open"
rate = 20.0
duration = "3s"

[[journeys]]
name = "new customer"
[[journeys.steps]]
name = "create"
request = { method = "POST", path = "/customer", body = { name = "Ada", email = "ada@example.com" } }
"#;

#[test]
fn a_run_on_a_system_of_its_own_is_audited_down_to_the_last_write() {
    let program = ordershop();
    let run = Loadgen::scenario(CUSTOMERS).arguments(&["--system-bin", program.to_str().unwrap()]);
    let ended = run.run();
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let report = ended.report();
    let accepted = &report["audit"]["checks"][0];
    assert_eq!(accepted["name"], "accepted_present");
    assert_eq!(accepted["checked"], report["journeys"]["completed"]);
    assert_eq!(
        (&accepted["fell"], &accepted["skipped"]),
        (&json!(0), &Value::Null)
    );
    audited(&ended.stdout, "PASS");
}

#[test]
fn a_system_of_its_own_works_below_a_temporary_folder_of_any_name_and_leaves_nothing_there() {
    let program = ordershop();
    let run = Loadgen::scenario(CUSTOMERS).arguments(&["--system-bin", program.to_str().unwrap()]);
    let temporary = run.folder.path().join("t#1 %41?");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = run.command();
    let output = command.env("TMPDIR", &temporary).output().unwrap();
    let ended = run.ended(output);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let left: Vec<_> = std::fs::read_dir(&temporary).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_run_fails_when_an_accepted_write_is_lost() {
    let shop = Shop::open();
    let run = Loadgen::scenario(CUSTOMERS).arguments(&["--target", &shop.url]);
    let child = run.start();
    eventually("a customer", || {
        shop.get("/events/customer?limit=1")
            .as_array()
            .unwrap()
            .len()
            == 1
    });
    let lost = shop.get("/events/customer?limit=1")[0].clone();
    shop.redis(&[
        "XDEL",
        "events:{customer}",
        lost["position"].as_str().unwrap(),
    ]);
    let ended = run.ended(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let id = lost["aggregate_id"].as_str().unwrap();
    let report = ended.report();
    let reasons = report["verdict"]["reasons"].to_string();
    let expected = format!("first {id}: customer: accepted, but never created");
    assert!(
        reasons.contains("audit accepted_present") && reasons.contains(&expected),
        "{reasons}"
    );
}
