//! What is chosen of a delivered order, whole or with something in its way.

use super::*;
use ordershop_contract::correlation::Correlation;
use serde_json::value::RawValue;

const OLD_US: u64 = 1_000;
const BEFORE_US: u64 = 2_000;
const YOUNG_US: u64 = 3_000;

fn event(topic: Topic, id: &str, version: u64, action: &str, data: &str) -> RecordedEvent {
    RecordedEvent {
        partition: topic.into(),
        position: Position {
            ms: 1,
            seq: version,
        },
        event_id: format!("{topic}.{id}.{version}").into(),
        action: action.to_owned(),
        entity_id: id.into(),
        version,
        data: RawValue::from_string(data.to_owned()).unwrap(),
        published_at_us: OLD_US,
        correlation: Correlation {
            correlation_id: String::new(),
            causation_id: String::new(),
            times: None,
        },
    }
}

fn order(id: &str, version: u64, status: &str) -> RecordedEvent {
    let action = match version {
        1 => action::CREATED,
        _ => action::UPDATED,
    };
    let data = format!(r#"{{"cart_id":"cart","status":"{status}"}}"#);
    event(Topic::Order, id, version, action, &data)
}

fn delivered() -> Vec<RecordedEvent> {
    let of_order = r#"{"order_id":"o"}"#;
    vec![
        order("o", 1, "CREATED"),
        order("o", 2, "IN_STOCK"),
        order("o", 3, "DELIVERED"),
        event(Topic::Cart, "cart", 1, action::CREATED, "{}"),
        event(Topic::Billing, "b", 1, action::CREATED, of_order),
        event(Topic::Shipping, "s", 1, action::CREATED, of_order),
        event(Topic::Inventory, "o", 1, action::STOCK_RESERVED, "{}"),
        event(Topic::Inventory, "i", 2, action::UPDATED, "{}"),
        event(Topic::Mail, "order.o.2.mail", 1, action::MAIL_SENT, "{}"),
        event(Topic::Mail, "else.mail", 1, action::MAIL_SENT, "{}"),
    ]
}

/// What is done with each event.
fn fates(events: &[RecordedEvent]) -> Vec<Fate> {
    let mut handled = [Position::START; Topic::ALL.len()];
    handled.fill(Position { ms: 1, seq: 9 });
    let mut selection = Selection::new(BEFORE_US, handled);
    for topic in TOPICS {
        let of_topic = events.iter().filter(|event| event.partition.topic == topic);
        of_topic.for_each(|event| selection.take(event));
    }
    selection.decide();
    events.iter().map(|event| selection.fate(event)).collect()
}

#[test]
fn a_finished_order_goes_with_all_that_belongs_to_it_and_nothing_else() {
    let fates = fates(&delivered());
    let mut expected = vec![Fate::Archived; 10];
    (expected[7], expected[9]) = (Fate::Stays, Fate::Stays);
    assert_eq!(fates, expected);
}

#[test]
fn it_stays_with_all_that_belongs_to_it_if_any_of_it_is_young_unhandled_or_not_finished() {
    let mut rows: Vec<(&str, Vec<RecordedEvent>)> = Vec::new();
    for place in [2, 3, 4, 5, 6, 8] {
        let mut young = delivered();
        young[place].published_at_us = YOUNG_US;
        rows.push(("young", young));
        let mut unhandled = delivered();
        unhandled[place].position.ms = 2;
        rows.push(("not handled", unhandled));
    }
    let with = |more: RecordedEvent| [delivered(), vec![more]].concat();
    rows.push(("its cart is ordered again", with(order("p", 1, "CREATED"))));
    let mut again = order("p", 1, "CREATED");
    again.published_at_us = YOUNG_US;
    rows.push(("its cart is ordered again just now", with(again)));
    rows.push(("shipped only", with(order("o", 4, "SHIPPED"))));
    rows.push(("a gap in its history", with(order("o", 5, "DELIVERED"))));
    for (what, events) in rows {
        let fates = fates(&events);
        assert!(
            fates.iter().all(|fate| *fate == Fate::Stays),
            "{what}: {fates:?}"
        );
    }
}

#[test]
fn an_order_that_an_earlier_archive_has_partly_removed_goes_into_no_file_again() {
    let hides = |topic, id, version| event(topic, id, version, action::ARCHIVED, "{}");
    let hidden = [
        hides(Topic::Order, "o", 4),
        hides(Topic::Cart, "cart", 2),
        hides(Topic::Billing, "b", 2),
        hides(Topic::Mail, "order.o.2.mail", 2),
    ];
    let whole = [delivered(), hidden.to_vec()].concat();
    assert_eq!(fates(&whole)[0], Fate::Archived);
    // Once nothing of the order is there, only what is hidden itself is known to be its.
    for (gone, expected) in [(1, 7), (2, 6), (3, 3)] {
        let fates = fates(&whole[gone..]);
        let left = fates.iter().filter(|fate| **fate == Fate::Left).count();
        let archived = fates.iter().filter(|fate| **fate == Fate::Archived).count();
        assert_eq!((left, archived), (expected, 0), "{gone}: {fates:?}");
    }
}
