//! Events, applied positions and waiters, in every order.
use serde_json::{json, value};

use super::*;

const ORDER: Partition<'_> = Partition {
    topic: "order",
    number: 0,
};

fn at(text: &str) -> FeedPosition {
    text.parse().unwrap()
}

fn raw(data: Value) -> Box<RawValue> {
    value::to_raw_value(&data).unwrap()
}

fn status(text: &str) -> EventMatch {
    EventMatch {
        action: None,
        fields: vec![("/status".into(), json!(text))],
    }
}

fn orders() -> Sightings {
    Sightings::new([
        ("order", &KeySource::AggregateId),
        ("order", &KeySource::Field("/cart_id".into())),
    ])
}

#[test]
fn an_event_counts_only_when_the_read_model_has_applied_it() {
    let mut seen = orders();
    let mut waiter = seen.wait("order", &KeySource::AggregateId, "o1", status("IN_STOCK"));
    seen.event(
        ORDER,
        "o1",
        "entity_updated",
        &raw(json!({"status": "IN_STOCK"})),
        at("5-1"),
        Instant::now(),
    );
    seen.applied("order", at("5-0"), Instant::now());
    assert!(waiter.try_recv().is_err(), "seen, but not applied");
    let applied_at = Instant::now();
    seen.applied("order", at("5-1"), applied_at);
    assert_eq!(waiter.try_recv().unwrap().visible_at(), Some(applied_at));
}

#[test]
fn an_event_that_came_before_anyone_waited_is_found_with_the_time_it_became_visible() {
    let mut seen = orders();
    let read_at = Instant::now();
    seen.applied("order", at("9-0"), read_at);
    seen.event(
        ORDER,
        "o1",
        "entity_updated",
        &raw(json!({"status": "IN_STOCK"})),
        at("5-1"),
        read_at,
    );
    seen.event(
        ORDER,
        "o1",
        "entity_updated",
        &raw(json!({"status": "CLEARED"})),
        at("5-2"),
        Instant::now(),
    );
    let mut waiter = seen.wait("order", &KeySource::AggregateId, "o1", status("IN_STOCK"));
    assert_eq!(waiter.try_recv().unwrap().visible_at(), Some(read_at));
}

#[test]
fn an_event_is_found_by_a_field_of_its_data() {
    let mut seen = orders();
    let mut waiter = seen.wait(
        "order",
        &KeySource::Field("/cart_id".into()),
        "c7",
        EventMatch::default(),
    );
    seen.event(
        ORDER,
        "o1",
        "entity_created",
        &raw(json!({"cart_id": "c8"})),
        at("1-0"),
        Instant::now(),
    );
    seen.event(
        ORDER,
        "o2",
        "entity_created",
        &raw(json!({"cart_id": "c7", "entity_id": "o2"})),
        at("1-1"),
        Instant::now(),
    );
    seen.applied("order", at("1-1"), Instant::now());
    assert_eq!(
        waiter.try_recv().unwrap().data.at("/entity_id").unwrap(),
        "o2"
    );
}

#[test]
fn an_event_told_twice_counts_once_and_what_was_released_is_forgotten() {
    let mut seen = orders();
    seen.applied("order", at("9-0"), Instant::now());
    seen.event(
        ORDER,
        "o1",
        "entity_created",
        &raw(json!({"status": "CREATED"})),
        at("1-0"),
        Instant::now(),
    );
    seen.release("order", &KeySource::AggregateId, "o1");
    seen.event(
        ORDER,
        "o1",
        "entity_created",
        &raw(json!({"status": "CREATED"})),
        at("1-0"),
        Instant::now(),
    );
    let mut waiter = seen.wait("order", &KeySource::AggregateId, "o1", status("CREATED"));
    assert!(waiter.try_recv().is_err());
}

#[test]
fn the_oldest_keys_are_forgotten_but_never_one_that_is_waited_for() {
    let mut seen = orders();
    let mut waiter = seen.wait(
        "order",
        &KeySource::AggregateId,
        "patient",
        status("IN_STOCK"),
    );
    for i in 0..=KEYS_MAX as u64 {
        seen.event(
            ORDER,
            &format!("o{i}"),
            "entity_created",
            &raw(json!({})),
            at(&format!("1-{}", i + 1)),
            Instant::now(),
        );
    }
    assert_eq!(seen.forgotten, 2, "o0 and o1");
    seen.event(
        ORDER,
        "patient",
        "entity_updated",
        &raw(json!({"status": "IN_STOCK"})),
        at("2-0"),
        Instant::now(),
    );
    seen.applied("order", at("2-0"), Instant::now());
    assert!(waiter.try_recv().is_ok());
}

#[test]
fn each_partition_is_seen_and_applied_by_positions_of_its_own() {
    let mut seen = orders();
    seen.starts_at("order", at("7-0"));
    seen.starts_at("order.3", at("2-0"));
    let order_3 = Partition::parse("order.3");
    let mut waiter = seen.wait(
        "order",
        &KeySource::AggregateId,
        "o3",
        EventMatch::default(),
    );
    let created = raw(json!({}));
    // Number 0 is far ahead in both respects.
    seen.event(
        ORDER,
        "o0",
        "entity_created",
        &created,
        at("9-0"),
        Instant::now(),
    );
    seen.applied("order", at("9-0"), Instant::now());
    seen.event(
        order_3,
        "o3",
        "entity_created",
        &created,
        at("3-0"),
        Instant::now(),
    );
    assert!(waiter.try_recv().is_err(), "applied in number 0 only");
    let applied_at = Instant::now();
    seen.applied("order.3", at("3-0"), applied_at);
    let event = waiter.try_recv().unwrap();
    assert_eq!((event.partition, event.position), (3, at("3-0")));
    assert_eq!(event.visible_at(), Some(applied_at));

    let resumes = seen
        .seen()
        .map(|(partition, position)| (partition.name(), position));
    let expected = [("order".into(), at("9-0")), ("order.3".into(), at("3-0"))];
    assert_eq!(resumes.collect::<Vec<_>>(), expected);
}

#[test]
fn a_topic_whose_own_name_ends_with_a_number_is_found() {
    let mut seen = Sightings::new([("order.2", &KeySource::AggregateId)]);
    let topic = Partition {
        topic: "order.2",
        number: 0,
    };
    let mut waiter = seen.wait(
        "order.2",
        &KeySource::AggregateId,
        "o",
        EventMatch::default(),
    );
    seen.event(
        topic,
        "o",
        "entity_created",
        &raw(json!({})),
        at("1-0"),
        Instant::now(),
    );
    seen.applied("order.2", at("1-0"), Instant::now());
    assert!(waiter.try_recv().is_ok());
}
