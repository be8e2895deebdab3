//! The checks against a story that is right, and against the same story with one thing wrong: each row says which check must name what.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use serde_json::{Value, json};

use super::super::event::Event;
use super::super::finding::CheckReport;
use super::super::gauges::Gauges;
use super::super::history::History;
use super::super::topic::Topic;
use super::*;
use crate::record::ledger::{Ledger, Posted};

/// Events in order of time, and what the lists show.
#[derive(Clone)]
struct Story {
    events: Vec<(Topic, Value)>,
    shown: Vec<(Topic, Value)>,
    ledger: Ledger,
}

const CART: &str = "cart-1";
const ORDER: &str = "order-1";

/// A customer buys two pieces of tea and one cup, pays, and gets them.
fn right() -> Story {
    let mut story = Story {
        events: Vec::new(),
        shown: Vec::new(),
        ledger: Ledger::default(),
    };
    let ada = json!({"entity_id": "ada", "name": "Ada", "email": "a@b"});
    story.asked(Topic::Customer, "ada", ada);
    story.asked(
        Topic::Product,
        "tea",
        json!({"entity_id": "tea", "name": "Tea", "price": 250}),
    );
    story.asked(
        Topic::Product,
        "cup",
        json!({"entity_id": "cup", "name": "Cup", "price": 900}),
    );
    story.asked(Topic::Inventory, "i-tea", stock("i-tea", "tea", 10));
    story.asked(Topic::Inventory, "i-cup", stock("i-cup", "cup", 1));
    let cart =
        json!({"entity_id": CART, "customer_id": "ada", "product_ids": ["tea", "cup", "tea"]});
    story.asked(Topic::Cart, CART, cart);
    story.asked(Topic::Order, ORDER, order("CREATED"));
    story.add(
        Topic::Inventory,
        "i-tea",
        2,
        "entity_updated",
        "order-1.stock_reserved.0",
        ORDER,
        stock("i-tea", "tea", 8),
    );
    story.add(
        Topic::Inventory,
        "i-cup",
        2,
        "entity_updated",
        "order-1.stock_reserved.1",
        ORDER,
        stock("i-cup", "cup", 0),
    );
    story.add(
        Topic::Inventory,
        ORDER,
        1,
        "stock_reserved",
        "order-1.stock_reserved",
        ORDER,
        reservation(),
    );
    story.add(
        Topic::Order,
        ORDER,
        2,
        "entity_updated",
        "order-1.in_stock",
        ORDER,
        order("IN_STOCK"),
    );
    story.asked(
        Topic::Billing,
        "bill",
        json!({"entity_id": "bill", "order_id": ORDER, "amount": 1400}),
    );
    story.add(
        Topic::Order,
        ORDER,
        3,
        "entity_updated",
        "bill.cleared",
        "bill",
        order("CLEARED"),
    );
    let shipping =
        |delivered: u64| json!({"entity_id": "ship", "order_id": ORDER, "delivered": delivered});
    story.add(
        Topic::Shipping,
        "ship",
        1,
        "entity_created",
        "bill.cleared.shipping",
        "bill.cleared",
        shipping(0),
    );
    story.add(
        Topic::Order,
        ORDER,
        4,
        "entity_updated",
        "bill.cleared.shipping.shipped",
        "bill.cleared.shipping",
        order("SHIPPED"),
    );
    story.add(
        Topic::Shipping,
        "ship",
        2,
        "entity_updated",
        "put-1",
        "put-1",
        shipping(1_700_000_000),
    );
    story.add(
        Topic::Order,
        ORDER,
        5,
        "entity_updated",
        "put-1.delivered",
        "put-1",
        order("DELIVERED"),
    );
    story.mail("ada", "Dear Ada, welcome to OrderShop!");
    story.mail(
        "order-1.in_stock",
        "Dear Ada, thank you for your order order-1. Please pay € 14.00.",
    );
    story.mail(
        "bill",
        "Dear Ada, we have received your payment of € 14.00 for order order-1.",
    );
    story.mail(
        "bill.cleared.shipping",
        "Dear Ada, your order order-1 is on its way.",
    );
    story.show();
    story
}

fn stock(id: &str, product: &str, amount: i64) -> Value {
    json!({"entity_id": id, "product_id": product, "amount": amount})
}

fn order(status: &str) -> Value {
    json!({"entity_id": ORDER, "cart_id": CART, "status": status})
}

fn reservation() -> Value {
    json!({"order_id": ORDER, "released": false, "lines": [
        {"inventory_id": "i-cup", "product_id": "cup", "quantity": 1},
        {"inventory_id": "i-tea", "product_id": "tea", "quantity": 2},
    ]})
}

impl Story {
    #[allow(clippy::too_many_arguments)] // an event has so many fields
    fn add(
        &mut self,
        topic: Topic,
        id: &str,
        version: u64,
        action: &str,
        event_id: &str,
        cause: &str,
        data: Value,
    ) {
        let number = self.events.len() as u64 + 1;
        let event = json!({
            "position": format!("{number}-0"), "event_id": event_id, "action": action, "aggregate_id": id,
            "version": version, "data": data, "published_at_us": number * 1_000, "causation_id": cause,
        });
        self.events.push((topic, event));
    }

    /// A request creates it, and is answered.
    fn asked(&mut self, topic: Topic, id: &str, data: Value) {
        self.add(topic, id, 1, "entity_created", id, id, data);
        self.accepted(topic, id);
    }

    fn accepted(&mut self, topic: Topic, id: &str) {
        let posted = Posted::new(topic.name(), None).unwrap();
        self.ledger.sent(&posted);
        let answer = json!({"result": [id]}).to_string();
        self.ledger.answered(&posted, 200, answer.as_bytes());
    }

    fn mail(&mut self, cause: &str, message: &str) {
        let id = format!("{cause}.mail");
        let data = json!({"recipient": "a@b", "message": message});
        self.add(Topic::Mail, &id, 1, "mail_sent", &id, &id, data);
    }

    /// The lists show what the events tell.
    fn show(&mut self) {
        self.shown.clear();
        for (topic, event) in &self.events {
            let data = &event["data"];
            let action = event["action"].as_str().unwrap();
            if action == "mail_sent" {
                self.shown.push((*topic, data.clone()));
            } else if action.starts_with("entity") {
                self.shown
                    .retain(|(_, shown)| shown["entity_id"] != data["entity_id"]);
                if action != "entity_deleted" {
                    self.shown.push((*topic, data.clone()));
                }
            }
        }
    }

    fn event(&mut self, event_id: &str) -> &mut Value {
        let mut events = self.events.iter_mut();
        let found = events.find(|(_, event)| event["event_id"] == event_id);
        &mut found.unwrap().1
    }

    fn without(&mut self, event_id: &str) {
        self.events
            .retain(|(_, event)| event["event_id"] != event_id);
    }

    fn checked(&self, since_us: u64, from_nothing: bool, gauges: &Gauges) -> Vec<CheckReport> {
        let (mut history, mut stock) = (History::new(since_us), Stock::default());
        let (mut versions, mut read_model) = (Versions::new(since_us), ReadModel::new(since_us));
        for topic in Topic::ALL {
            for (_, event) in self.events.iter().filter(|(of, _)| *of == topic) {
                let text = event.to_string();
                let event: Event<'_> = serde_json::from_str(&text).unwrap();
                history.take(topic, &event);
                if topic == Topic::Inventory {
                    stock.take(&mut history, &event);
                }
                versions.take(topic, &event);
                read_model.take(topic, &event);
            }
        }
        self.shown
            .iter()
            .for_each(|(topic, entity)| read_model.shown(*topic, entity));
        vec![
            accepted_present(&history, Some(&self.ledger), Some(gauges), from_nothing),
            order_histories(&history),
            stock.finish(&history),
            money(&history),
            mails(&history),
            read_model.finish(),
            versions.finish(&history.unreadable),
            nothing_left(Some(gauges), None),
        ]
    }

    fn fell(&self) -> Vec<CheckReport> {
        let checks = self.checked(0, true, &quiet());
        checks.into_iter().filter(|check| check.fell > 0).collect()
    }
}

fn quiet() -> Gauges {
    Gauges::parse("ordershop_group_backlog{group=\"crm-service\",topic=\"order\"} 0\n").unwrap()
}

#[test]
fn a_story_that_is_right_passes_every_check_and_each_has_looked_at_something() {
    let checks = right().checked(0, true, &quiet());
    for check in &checks {
        assert_eq!(check.fell, 0, "{check:?}");
        assert!(check.checked > 0, "{check:?}");
    }
    let counts: Vec<u64> = checks.iter().map(|check| check.checked).collect();
    assert_eq!(counts, [8, 1, 3, 1, 4, 13, 21, 1]);
}

/// What is wrong, which check must say so, of what, and in which words.
type Row = (
    &'static str,
    fn(&mut Story),
    &'static str,
    &'static str,
    &'static str,
);

const ROWS: &[Row] = &[
    (
        "an accepted write is nowhere",
        |s| s.accepted(Topic::Cart, "lost"),
        "accepted_present",
        "lost",
        "never created",
    ),
    (
        "an accepted write is there twice",
        |s| {
            let mut again = s.event("ada").clone();
            again["event_id"] = json!("again");
            s.events.push((Topic::Customer, again));
        },
        "accepted_present",
        "ada",
        "created 2 times",
    ),
    (
        "something nobody asked for",
        |s| {
            s.add(
                Topic::Product,
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
        "nobody asked",
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
        "not what cart",
    ),
    (
        "a reservation is made twice",
        |s| {
            s.add(
                Topic::Inventory,
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
                Topic::Inventory,
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
        "alive or shipped",
    ),
    (
        "an order is deleted and its stock kept",
        |s| {
            for id in [
                "bill",
                "bill.cleared",
                "bill.cleared.shipping",
                "bill.cleared.shipping.shipped",
                "put-1",
                "put-1.delivered",
            ] {
                s.without(id);
            }
            s.add(
                Topic::Order,
                ORDER,
                3,
                "entity_deleted",
                "del",
                "del",
                order("IN_STOCK"),
            );
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
        "cost 1400",
    ),
    (
        "an order is billed twice",
        |s| {
            s.asked(
                Topic::Billing,
                "bill-2",
                json!({"entity_id": "bill-2", "order_id": ORDER, "amount": 1400}),
            );
        },
        "money",
        "bill-2",
        "had a living billing",
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
        "no event called for",
    ),
    (
        "a mail says a wrong sum",
        |s| {
            s.event("order-1.in_stock.mail")["data"]["message"] =
                json!("Dear Ada, thank you for your order order-1. Please pay € 1.00.");
        },
        "mails",
        ORDER,
        "other words",
    ),
    (
        "a mail goes to somebody else",
        |s| s.event("ada.mail")["data"]["recipient"] = json!("e@ve"),
        "mails",
        "ada",
        "somebody else",
    ),
    (
        "an entity is shown stale",
        |s| {
            let shown = s
                .shown
                .iter_mut()
                .find(|(topic, _)| *topic == Topic::Order)
                .unwrap();
            shown.1["status"] = json!("SHIPPED");
        },
        "read_model",
        ORDER,
        "otherwise than its events tell",
    ),
    (
        "an entity is not shown",
        |s| s.shown.retain(|(topic, _)| *topic != Topic::Cart),
        "read_model",
        CART,
        "not shown",
    ),
    (
        "an entity is shown that is not there",
        |s| s.shown.push((Topic::Cart, json!({"entity_id": "x"}))),
        "read_model",
        "x",
        "not there",
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
        "version 4 comes again",
    ),
    (
        "an event id comes again",
        |s| s.event("put-1.delivered")["event_id"] = json!("bill.cleared"),
        "versions",
        ORDER,
        "was there before",
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
    for (what, fault, check, id, words) in ROWS {
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
    story.ledger.sent(&Posted::new("/product", None).unwrap());
    assert_eq!(story.fell(), []);
    for (name, fell) in [("once", 0), ("twice", 1)] {
        story.add(
            Topic::Product,
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
    let posted = Posted::new("/carts", None).unwrap();
    story.ledger.sent(&posted);
    story
        .ledger
        .answered(&posted, 202, br#"{"result": "later"}"#);
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
    // Mails are listed without a time: all of them are compared.
    assert!(
        fell.iter().all(|check| check.name == "read_model"),
        "{fell:?}"
    );
}

#[test]
fn a_price_that_changes_meanwhile_leaves_both_sums_right_and_no_third() {
    for (amount, fell) in [(1400, 0), (1500, 0), (1600, 1)] {
        let mut story = right();
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
        story.events.insert(place, (Topic::Product, change));
        story.event("bill")["data"]["amount"] = json!(amount);
        let money = &story.checked(0, true, &quiet())[3];
        assert_eq!(money.fell, fell, "{amount}: {money:?}");
    }
}
