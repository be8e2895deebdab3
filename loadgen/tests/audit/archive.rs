//! The audit of a shop with its archive: it passes, and each fault planted in the file is reported.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::shop::{Sale, Shop};
use crate::{audit, audit_with, offenders};

/// A shop whose only order is archived: the sale, the file and its lines.
fn archived(folder: &Path) -> (Shop, Sale, PathBuf, Vec<String>) {
    let shop = Shop::open();
    let sale = shop.sell();
    shop.deliver(&sale.order);
    let file = folder.join("archive");
    let lines = shop.archive(&file);
    (shop, sale, file, lines)
}

#[test]
fn a_shop_with_its_archive_passes_also_when_an_event_is_in_two_files() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, sale, file, _) = archived(folder.path());
    let (code, report, text) = audit_with(&shop.url, &[&file, &file]);
    assert_eq!(code, 0, "{text}");
    // As without the archive, with the order's and the shipping's last events.
    let archived = report["events"].as_u64().unwrap();
    assert!(archived >= 4 + 3 + 4 + 1 + 1 + 4 + 2, "{text}");
    assert_eq!(shop.get(&format!("/order/{}", sale.order)), Value::Null);
    let (code, report, _) = audit(&shop.url);
    assert_eq!(code, 1);
    assert!(!offenders(&report).is_empty());
}

#[test]
fn a_fault_within_an_archive_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, sale, _, lines) = archived(folder.path());
    let forged = folder.path().join("forged");
    let named = |change: &dyn Fn(&mut Vec<Value>), check: &str, id: &str, words: &str| {
        let parse = |line: &String| serde_json::from_str(line).unwrap();
        let mut values: Vec<Value> = lines.iter().map(parse).collect();
        change(&mut values);
        let text: String = values.iter().map(|value| format!("{value}\n")).collect();
        std::fs::write(&forged, text).unwrap();
        let (code, report, text) = audit_with(&shop.url, &[&forged]);
        assert_eq!(code, 1, "{text}");
        let found = offenders(&report);
        let expected = format!("{check} {id}: ");
        let is_named = |found: &String| found.starts_with(&expected) && found.contains(words);
        assert!(found.iter().any(is_named), "{expected}{words}: {found:#?}");
    };
    let of = |values: &[Value], topic: &str, version: u64| {
        let mut found = values.iter();
        found.position(|value| value["topic"] == topic && value["version"] == version)
    };
    let cheaper = |values: &mut Vec<Value>| {
        let place = of(values, "billing", 1).unwrap();
        values[place]["data"]["amount"] = json!(499);
    };
    named(&cheaper, "money", &sale.billing, "amount 499");
    let without_one = |values: &mut Vec<Value>| {
        let place = of(values, "order", 3).unwrap();
        values.remove(place);
        let events = values[0]["topics"]["order"]["events"].as_u64().unwrap();
        values[0]["topics"]["order"]["events"] = json!(events - 1);
    };
    named(
        &without_one,
        "versions",
        &sale.order,
        "version 3 is missing",
    );
    let without_its_mail = |values: &mut Vec<Value>| {
        let place = values.len() - 1;
        values.remove(place);
        values[0]["topics"]["mail"]["events"] = json!(2);
    };
    named(&without_its_mail, "mails", &sale.order, "no mail");
    let shop_shows_it = |_: &mut Vec<Value>| {
        let data = json!({"entity_id": sale.order, "cart_id": "x", "status": "DELIVERED"});
        shop.plant_shown("order", "orders", &sale.order, 5, &data);
        shop.redis(&["ZADD", "ids:{order}", "0", &sale.order]);
    };
    named(&shop_shows_it, "read_model", &sale.order, "does not exist");
}

#[test]
fn a_broken_archive_is_bad_input_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, _, file, lines) = archived(folder.path());
    let broken = |text: String, words: &str| {
        std::fs::write(&file, text).unwrap();
        let (code, _, text) = audit_with(&shop.url, &[&file]);
        assert_eq!(code, 2, "{text}");
        assert!(text.contains(words), "{words}: {text}");
    };
    broken(
        "nothing".to_owned(),
        "line 1: it is no archive of OrderShop",
    );
    let short = lines[..lines.len() - 1].join("\n") + "\n";
    broken(short, "events of topic mail");
    broken(
        lines.join("\n").replacen("\"event_id\"", "\"event", 1),
        "line 2: it is not an event",
    );
    let newer = lines
        .join("\n")
        .replacen("\"version\":1", "\"version\":2", 1);
    broken(newer, "this program reads");
    let (code, _, text) = audit_with(&shop.url, &[&folder.path().join("none")]);
    assert_eq!(code, 2, "{text}");
}
