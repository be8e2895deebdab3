//! Entities and events as JSON: input is checked field by field; output is what a GET shows.
//! Must not know where JSON is stored or sent.

use ordershop_domain::{
    Aggregate, Billing, Cart, Customer, Event, Inventory, Order, Product, Rejection, Shipping,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::topic::Topic;

/// The limits of an entity's values, for those who describe its JSON.
pub mod limits {
    /// The largest amount of money or pieces.
    pub const AMOUNT_MAX: u64 = ordershop_domain::AMOUNT_MAX;
    /// The longest text, bytes.
    pub const TEXT_BYTES_MAX: usize = ordershop_domain::TEXT_BYTES_MAX;
    /// The most pieces in a cart.
    pub const PIECES_MAX: usize = ordershop_domain::PIECES_MAX;
}

/// The actions of events.
pub mod action {
    /// The event's data is the entity as it was created.
    pub const CREATED: &str = "entity_created";
    /// The event's data is the whole entity as it is now.
    pub const UPDATED: &str = "entity_updated";
    /// The event's data is the entity as it was.
    pub const DELETED: &str = "entity_deleted";
    /// The event's data is `{recipient, message}`.
    pub const MAIL_SENT: &str = "mail_sent";
    /// The event's data is the reservation: `{order_id, lines}`.
    pub const STOCK_RESERVED: &str = "stock_reserved";
    /// The event's data is the reservation that was given back.
    pub const STOCK_RELEASED: &str = "stock_released";
    /// The aggregate's events are in an archive. The event's data is that of the aggregate's last event, whatever that was.
    pub const ARCHIVED: &str = "entity_archived";
}

/// An aggregate with a topic, a system-generated id and a JSON form.
pub trait WireEntity: Aggregate + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The topic of the entity's events.
    const TOPIC: Topic;

    /// Mutable access to the entity's id.
    fn id_mut(&mut self) -> &mut String;
}

macro_rules! wire_entities {
    ($($entity:ident),*) => {$(
        impl WireEntity for $entity {
            const TOPIC: Topic = Topic::$entity;

            fn id_mut(&mut self) -> &mut String {
                &mut self.entity_id
            }
        }
    )*};
}
wire_entities!(Customer, Product, Inventory, Cart, Order, Billing, Shipping);

/// Serialises one of OrderShop's own values, which can't fail: all keys are strings and all numbers finite.
///
/// # Panics
/// Never, for the types of this crate.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("our types have string keys and finite numbers")
}

/// A domain event's action and data.
pub fn event_json<E: WireEntity>(event: &Event<E>) -> (&'static str, Box<RawValue>) {
    match event {
        Event::Created(entity) => (action::CREATED, json(entity)),
        Event::Updated(entity) => (action::UPDATED, json(entity)),
        Event::Deleted(entity) => (action::DELETED, json(entity)),
    }
}

/// Parses a client's entity; unknown, missing and mistyped fields are refused by name.
///
/// # Errors
/// What is wrong with the entity.
pub fn parse_entity<E: WireEntity>(text: &str) -> Result<E, Rejection> {
    serde_json::from_str(text)
        .map_err(|error| Rejection::Invalid(format!("bad {}: {error}", E::KIND)))
}

/// Parses the params of a creation: an object or an array of objects, without ids. Also returns whether it was an array.
///
/// # Errors
/// What is wrong, with the element's index if it is in an array.
pub fn parse_new_entities<E: WireEntity>(params: &RawValue) -> Result<(Vec<E>, bool), Rejection> {
    let check = |entity: E| {
        if entity.id().is_empty() {
            entity.check_values()?;
            return Ok(entity);
        }
        Err(Rejection::Invalid(format!(
            "bad {}: the system generates entity_id; leave it out",
            E::KIND
        )))
    };
    let text = params.get();
    if !text.starts_with('[') {
        return Ok((vec![check(parse_entity(text)?)?], false));
    }
    let elements: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|error| Rejection::Invalid(error.to_string()))?;
    if elements.is_empty() {
        return Err(Rejection::Invalid(format!(
            "an empty array creates nothing; send at least one {}",
            E::KIND
        )));
    }
    let entities = elements.iter().enumerate().map(|(n, element)| {
        parse_entity(element.get())
            .and_then(check)
            .map_err(|rejection| match rejection {
                Rejection::Invalid(text) => Rejection::Invalid(format!("element {n}: {text}")),
                other => other,
            })
    });
    Ok((entities.collect::<Result<_, _>>()?, true))
}

/// Checks a client's new entities without creating them, so that an asynchronous request that can't succeed is refused at once.
///
/// # Errors
/// What is wrong.
pub fn check_new_entities(topic: Topic, params: &RawValue) -> Result<(), String> {
    fn check<E: WireEntity>(params: &RawValue) -> Result<(), String> {
        parse_new_entities::<E>(params)
            .map(|_| ())
            .map_err(|rejection| rejection.to_string())
    }
    match topic {
        Topic::Customer => check::<Customer>(params),
        Topic::Product => check::<Product>(params),
        Topic::Inventory => check::<Inventory>(params),
        Topic::Cart => check::<Cart>(params),
        Topic::Order => check::<Order>(params),
        Topic::Billing => check::<Billing>(params),
        Topic::Shipping => check::<Shipping>(params),
        Topic::Mail => Err("mails can't be created".to_owned()),
    }
}
