//! Sales on a shop with two partitions a topic: tea's inventory is in number 0, the cup's in number 1, where the order is, too.

use serde_json::{Value, json};

use super::super::topic::ShopTopic;
use super::faults::FaultCase;
use super::story::{CART, ORDER, Story, compensated, order, quiet, reservation, right};

const RESERVED: &str = "stock_reserved";
const RELEASED: &str = "stock_released";

/// The part of the reservation in a partition; the first of its lines is the cup's.
fn part(number: usize) -> Value {
    let mut part = reservation();
    part["lines"] = json!([part["lines"][1 - number]]);
    part
}

/// The same sale on two partitions.
fn split(mut story: Story) -> Story {
    story.partitions = 2;
    let mut events = Vec::new();
    for (topic, mut event) in story.events {
        let is_reservation = [RESERVED, RELEASED].contains(&event["action"].as_str().unwrap());
        if is_reservation {
            event["data"] = part(0);
            events.push((topic, event.clone()));
            event["data"] = part(1);
        }
        let lies_in_1 = match topic {
            ShopTopic::Inventory => is_reservation || event["aggregate_id"] == "i-cup",
            ShopTopic::Cart | ShopTopic::Order | ShopTopic::Billing | ShopTopic::Shipping => true,
            _ => false,
        };
        event["partition"] = json!(u32::from(lies_in_1));
        events.push((topic, event));
    }
    story.events = events;
    story
}

/// Tea was reserved in number 0 and given back, because number 1 had no cup.
fn out_of_stock() -> Story {
    let mut story = right();
    story.without_all([
        "bill",
        "bill.cleared",
        "bill.cleared.shipping",
        "bill.cleared.shipping.shipped",
        "put-1",
        "put-1.delivered",
        "order-1.in_stock.mail",
        "bill.mail",
        "bill.cleared.shipping.mail",
    ]);
    story.event("order-1.in_stock")["data"] = order("OUT_OF_STOCK");
    story.accepted_alone();
    story.give_back();
    story.without_all(["order-1.stock_reserved.1", "del.stock_released.1"]);
    let mut story = split(story);
    without(&mut story, RESERVED, 1);
    without(&mut story, RELEASED, 1);
    story.show();
    story
}

/// The event about the order's stock in a partition.
fn event<'a>(story: &'a mut Story, action: &str, partition: u32) -> &'a mut Value {
    let mut events = story.events.iter_mut();
    let found = events.find(|(_, event)| is_of(event, action, partition));
    &mut found.unwrap().1
}

fn without(story: &mut Story, action: &str, partition: u32) {
    let events = &mut story.events;
    events.retain(|(_, event)| !is_of(event, action, partition));
}

fn is_of(event: &Value, action: &str, partition: u32) -> bool {
    event["action"] == action && event["partition"].as_u64().unwrap_or(0) == u64::from(partition)
}

/// Adds an event like that of the reservation in number 1, after all others.
fn again(story: &mut Story, action: &str) {
    let mut again = event(story, RESERVED, 1).clone();
    again["action"] = json!(action);
    again["event_id"] = json!("again");
    again["version"] = json!(2);
    again["position"] = json!("99-0");
    story.events.push((ShopTopic::Inventory, again));
}

#[test]
fn a_sale_a_compensated_one_and_one_without_stock_are_right_on_two_partitions() {
    for story in [split(right()), split(compensated()), out_of_stock()] {
        assert_eq!(story.fell(), []);
    }
    let checks = split(right()).checked(0, true, &quiet());
    let counts: Vec<u64> = checks.iter().map(|check| check.checked).collect();
    // As on one partition, but for one more event: the reservation's second part.
    assert_eq!(counts, [8, 1, 1, 1, 3, 3, 1, 4, 13, 22, 1]);
}

#[test]
fn a_payment_whose_event_has_another_id_than_itself_is_found_gone_by_a_saga() {
    let mut story = split(compensated());
    for (before, now) in [
        ("bill.returned", "mine"),
        ("bill.returned.mail", "b.returned.mail"),
        ("bill.mail", "b.mail"),
        ("bill", "b"),
    ] {
        let event = story.event(before);
        event["event_id"] = json!(now);
        if now.len() < 5 {
            event["causation_id"] = json!(now);
        }
    }
    assert_eq!(story.fell(), []);
}

#[test]
fn a_shop_of_one_partition_reserves_all_or_nothing() {
    let mut story = out_of_stock();
    for (_, event) in &mut story.events {
        event["partition"] = json!(0);
    }
    assert_eq!(story.fell(), []);
    story.partitions = 1;
    let fell = story.fell();
    assert_eq!(fell.len(), 1, "{fell:?}");
    let reason = &fell[0].offenders[0].reason;
    assert_eq!(reason, "the reservation is not the lines of its order");
}

#[test]
fn each_fault_on_two_partitions_is_named_by_its_check() {
    for (what, fault, check, id, words) in ROWS {
        let mut story = split(right());
        fault(&mut story);
        let fell = story.fell();
        let mut reports = fell.iter().filter(|report| report.name == *check);
        let named = reports.any(|report| {
            let mut offenders = report.offenders.iter();
            offenders.any(|offender| offender.id == *id && offender.reason.contains(words))
        });
        assert!(named, "{what}: {fell:?}");
    }
}

const ROWS: &[FaultCase] = &[
    (
        "a part of the reservation is missing",
        |s| without(s, RESERVED, 1),
        "stock",
        ORDER,
        "not the lines of its order",
    ),
    (
        "a part has more pieces than its line",
        |s| event(s, RESERVED, 0)["data"]["lines"][0]["quantity"] = json!(3),
        "stock",
        ORDER,
        "not the lines of its order",
    ),
    (
        "a part is made twice",
        |s| again(s, RESERVED),
        "stock",
        ORDER,
        "reserved 2 times",
    ),
    (
        "a part of a deleted order's reservation is kept",
        |s| {
            *s = split(compensated());
            s.without("del.stock_released.1");
            without(s, RELEASED, 1);
        },
        "stock",
        ORDER,
        "not given back",
    ),
    (
        "a part of a delivered order's reservation is given back",
        |s| again(s, RELEASED),
        "stock",
        ORDER,
        "still needs it or was shipped",
    ),
    (
        "stock is given back in a partition that reserved nothing",
        |s| {
            *s = split(compensated());
            without(s, RESERVED, 1);
        },
        "stock",
        ORDER,
        "given back without a reservation",
    ),
    (
        "an order without stock keeps what one partition had",
        |s| {
            *s = out_of_stock();
            s.without("del.stock_released.0");
            without(s, RELEASED, 0);
        },
        "stock",
        ORDER,
        "not given back",
    ),
    (
        "an order without stock had one piece of two",
        |s| {
            *s = out_of_stock();
            for action in [RESERVED, RELEASED] {
                event(s, action, 0)["data"]["lines"][0]["quantity"] = json!(1);
            }
        },
        "stock",
        ORDER,
        "not the lines of its order",
    ),
    (
        "an order that was in stock once lacks a part",
        |s| {
            *s = split(compensated());
            without(s, RESERVED, 1);
            without(s, RELEASED, 1);
        },
        "stock",
        ORDER,
        "not the lines of its order",
    ),
    (
        "an order goes on in another partition",
        |s| s.event("put-1.delivered")["partition"] = json!(0),
        "versions",
        ORDER,
        "order: version 1 is missing: 5 follows",
    ),
    (
        "a cart is made in both partitions",
        |s| {
            let mut again = s.event(CART).clone();
            again["event_id"] = json!("again");
            again["partition"] = json!(0);
            s.events.push((ShopTopic::Cart, again));
        },
        "accepted_present",
        CART,
        "created 2 times",
    ),
    (
        "an event id comes again within a partition",
        |s| s.event("order-1.stock_reserved.1")["event_id"] = json!("order-1.stock_reserved"),
        "versions",
        ORDER,
        "inventory.1: event id order-1.stock_reserved is not unique",
    ),
    (
        "a position goes back within a partition",
        |s| s.event("order-1.stock_reserved.1")["position"] = json!("5-0"),
        "versions",
        "i-cup",
        "inventory.1: position 5-0 is not above",
    ),
];
