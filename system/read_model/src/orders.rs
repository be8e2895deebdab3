//! Queries that span topics: orders without a billing or a shipping, and delivered shippings.

use std::collections::HashSet;

use ordershop_domain::{Order, Shipping};
use serde_json::value::RawValue;

use super::keys::Collection;
use super::lookup::{many, raw};
use super::pages;
use super::store::ReadStore;
use ordershop_contract::topic::Topic;

/// `{"result": {order id: order}}` of the orders that no entity of topic `partner` (billing or shipping) refers to.
///
/// # Errors
/// Redis is away.
pub async fn without(store: &ReadStore, partner: Topic) -> redis::RedisResult<Box<RawValue>> {
    let having: HashSet<String> = store
        .indexed_values(partner, "order_id")
        .await?
        .into_iter()
        .collect();
    let mut text = String::from(r#"{"result":{"#);
    for order in pages::all(store, Collection::Entities(Topic::Order)).await? {
        let Some(parsed) = order.parse::<Order>() else {
            continue;
        };
        if having.contains(&parsed.entity_id) {
            continue;
        }
        if !text.ends_with('{') {
            text.push(',');
        }
        text.push_str(ordershop_contract::wire::json(&parsed.entity_id).get());
        text.push(':');
        text.push_str(order.json());
    }
    text.push_str("}}");
    Ok(raw(text))
}

/// `{"result": [shipping]}` of the delivered shippings.
///
/// # Errors
/// Redis is away.
pub async fn delivered(store: &ReadStore) -> redis::RedisResult<Box<RawValue>> {
    let shippings = pages::all(store, Collection::Entities(Topic::Shipping)).await?;
    let arrived = shippings.iter().filter(|stored| {
        stored
            .parse()
            .is_some_and(|shipping: Shipping| shipping.is_delivered())
    });
    Ok(many(arrived.map(Some), false, None))
}
