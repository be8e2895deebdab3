//! Entities and events as JSON: what comes in is checked and refused by field, what goes out is what a GET shows.
//! Knows the domain's shapes and JSON; nothing of where either is kept or sent.

use ordershop_domain::{
    Aggregate, Billing, Cart, Customer, Event, Inventory, Order, Product, Rejection, Shipping,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::topic::Topic;

/// Events' actions.
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
}

/// An aggregate that has a topic, an id that the system gives, and a JSON shape.
pub trait WireEntity: Aggregate + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Where its events go.
    const TOPIC: Topic;

    /// Its id, to be set.
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

/// JSON of a value of our own, which can't fail to be written: all keys are strings and all numbers finite.
///
/// # Panics
/// Never, for the types of this crate.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("our types have string keys and finite numbers")
}

/// The action and the data of a domain event.
pub fn event_json<E: WireEntity>(event: &Event<E>) -> (&'static str, Box<RawValue>) {
    match event {
        Event::Created(entity) => (action::CREATED, json(entity)),
        Event::Updated(entity) => (action::UPDATED, json(entity)),
        Event::Deleted(entity) => (action::DELETED, json(entity)),
    }
}

/// Reads one entity of a client's: unknown, missing and mistyped fields are refused by name.
///
/// # Errors
/// What is wrong with it.
pub fn parse_entity<E: WireEntity>(text: &str) -> Result<E, Rejection> {
    serde_json::from_str(text)
        .map_err(|error| Rejection::Invalid(format!("bad {}: {error}", E::KIND)))
}

/// Reads the params of a creation: an object or an array of objects, without ids. Says whether it was an array.
///
/// # Errors
/// What is wrong, in an array with the element's place.
pub fn parse_new_entities<E: WireEntity>(params: &RawValue) -> Result<(Vec<E>, bool), Rejection> {
    let check = |entity: E| {
        if entity.id().is_empty() {
            entity.check_values()?;
            return Ok(entity);
        }
        Err(Rejection::Invalid(format!(
            "bad {}: entity_id is given by the system; leave it out",
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

/// Checks a client's new entities without making them, so that an asynchronous request that can never succeed is refused at once.
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
