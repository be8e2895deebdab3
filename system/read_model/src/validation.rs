//! Checks that an event's data matches its action. Anybody may publish to a topic; malformed entities must reach neither the cache nor its
//! readers. Knows the domain's types, not how malformed events are handled.

use ordershop_domain::{
    Billing, Cart, Customer, Inventory, Mail, Order, Product, Reservation, Shipping,
};
use serde::de::DeserializeOwned;

use ordershop_contract::event_store::RecordedEvent;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::{WireEntity, action};

/// Checks the data that the read model shows or returns to services. A deletion needs no data: its aggregate id suffices.
///
/// # Errors
/// What is wrong with the data.
pub(super) fn check(event: &RecordedEvent) -> Result<(), String> {
    match event.action.as_str() {
        action::CREATED | action::UPDATED => match event.partition.topic {
            Topic::Customer => entity::<Customer>(event),
            Topic::Product => entity::<Product>(event),
            Topic::Inventory => entity::<Inventory>(event),
            Topic::Cart => entity::<Cart>(event),
            Topic::Order => entity::<Order>(event),
            Topic::Billing => entity::<Billing>(event),
            Topic::Shipping => entity::<Shipping>(event),
            Topic::Mail => Err("a mail can't be created or updated, only sent".to_owned()),
        },
        action::MAIL_SENT if event.partition.topic == Topic::Mail => parse::<Mail>(event).map(drop),
        action::STOCK_RESERVED | action::STOCK_RELEASED
            if event.partition.topic == Topic::Inventory =>
        {
            named(event, &parse::<Reservation>(event)?.order_id)
        }
        action::MAIL_SENT | action::STOCK_RESERVED | action::STOCK_RELEASED => Err(format!(
            "{} is not of topic {}",
            event.action, event.partition.topic
        )),
        _ => Ok(()),
    }
}

fn entity<E: WireEntity>(event: &RecordedEvent) -> Result<(), String> {
    named(event, parse::<E>(event)?.id())
}

fn parse<T: DeserializeOwned>(event: &RecordedEvent) -> Result<T, String> {
    serde_json::from_str(event.data.get())
        .map_err(|error| format!("its data is not a valid {}: {error}", event.partition.topic))
}

fn named(event: &RecordedEvent, id: &str) -> Result<(), String> {
    if event.entity_id == id {
        return Ok(());
    }
    Err(format!(
        "its data is of {id:?}, but the event is of {:?}",
        event.entity_id
    ))
}
