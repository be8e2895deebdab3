//! Samples of the system's data, in realistic sizes. Knows forms, not who sends them.

use ordershop_contract::correlation::Correlation;
use ordershop_contract::event_store::{ExpectedVersion, NewEvent, RecordedEvent, Transaction};
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::{action, json};
use ordershop_domain::{Cart, Order, OrderLine, OrderStatus};
use serde_json::value::RawValue;

/// The time of publication of every sample event, µs since the Unix epoch.
const PUBLISHED_AT_US: u64 = 1_700_000_000_000_000;

/// An id with the length of the system's ids.
#[must_use]
pub fn id(kind: &str, number: usize) -> String {
    format!("{kind:0<8}-0000-7000-8000-{number:012}")
}

/// A correlation whose ids have the length of the system's ids.
#[must_use]
pub fn correlation(number: usize) -> Correlation {
    Correlation {
        correlation_id: format!("{number:032x}"),
        causation_id: id("cause", number),
        times: None,
    }
}

/// The number of different products of every sample order.
const LINES: usize = 3;

/// The price of every product, in cents.
pub const PRICE: u64 = 2_469;

/// An order that has just been created.
#[must_use]
pub fn order(number: usize) -> Order {
    let line = |n| OrderLine {
        product_id: id("product", n),
        quantity: 1,
        price: PRICE,
    };
    Order {
        entity_id: id("order", number),
        cart_id: id("cart", number),
        status: OrderStatus::Created,
        customer_id: Some(id("customer", number)),
        lines: Some((0..LINES).map(line).collect()),
        total: Some(PRICE * LINES as u64),
    }
}

/// A cart of `pieces` different products.
#[must_use]
pub fn cart(number: usize, pieces: usize) -> Cart {
    Cart {
        entity_id: id("cart", number),
        customer_id: id("customer", number),
        product_ids: (0..pieces).map(|n| id("product", n)).collect(),
        order_id: None,
    }
}

/// An event of an order; `version` is its aggregate's version after it (from 1).
#[must_use]
pub fn order_event(number: usize, version: u64) -> NewEvent {
    let (action, expected) = match version {
        1 => (action::CREATED, ExpectedVersion::NoStream),
        _ => (action::UPDATED, ExpectedVersion::Exact(version - 1)),
    };
    NewEvent {
        event_id: format!("{}-{version:08}", id("event", number)).into(),
        action: action.into(),
        entity_id: id("order", number).into(),
        expected,
        data: json(&order(number)),
        correlation: correlation(number),
    }
}

/// A transaction of one event of an order.
#[must_use]
pub fn transaction(number: usize, version: u64) -> Transaction {
    Transaction::of(Topic::Order, vec![order_event(number, version)])
}

/// The first event of an aggregate, as a subscriber gets it.
#[must_use]
pub fn recorded(
    topic: Topic,
    entity_id: String,
    data: Box<RawValue>,
    number: usize,
) -> RecordedEvent {
    RecordedEvent {
        partition: topic.into(),
        position: Position {
            ms: PUBLISHED_AT_US / 1_000,
            seq: number as u64,
        },
        event_id: id("event", number).into(),
        action: action::CREATED.to_owned(),
        entity_id: entity_id.into(),
        version: 1,
        data,
        published_at_us: PUBLISHED_AT_US,
        correlation: correlation(number),
    }
}
