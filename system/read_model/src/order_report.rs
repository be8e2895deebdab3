//! The joined order report: orders, each with its cart, customer, products, billings and shippings. Holds one page at a time.

use std::collections::{BTreeSet, HashMap, HashSet};

use ordershop_domain::{Cart, Order};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::keys::Collection;
use super::lookup::raw;
use super::pages::{self, PAGE_BYTES_MAX};
use super::store::{ReadStore, Stored};
use ordershop_contract::payload::PAGE_ENTITIES_MAX;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::json;

/// Entities by id.
type StoredById<'a> = HashMap<&'a str, Stored>;

/// The field by which billings and shippings belong to an order.
#[derive(Deserialize)]
struct OrderReference {
    order_id: String,
}

/// `{"result": [joined order], "cursor": …}`: at most `limit` orders after a cursor, in the order of their ids.
///
/// # Errors
/// Redis is away.
pub async fn page(
    store: &ReadStore,
    limit: usize,
    after: Option<&str>,
) -> redis::RedisResult<Box<RawValue>> {
    let collection = Collection::Entities(Topic::Order);
    let (stored, mut cursor) = pages::page(store, collection, limit, after).await?;
    let orders: Vec<(Order, &Stored)> = stored
        .iter()
        .filter_map(|stored| Some((stored.parse()?, stored)))
        .collect();
    let order_ids: Vec<&str> = orders.iter().map(|(order, _)| &*order.entity_id).collect();
    let cart_ids = orders.iter().map(|(order, _)| &*order.cart_id).collect();
    let (stored_carts, billings, shippings) = tokio::try_join!(
        by_id(store, Topic::Cart, cart_ids),
        of_orders(store, Topic::Billing, &order_ids),
        of_orders(store, Topic::Shipping, &order_ids),
    )?;
    let carts: HashMap<&str, Cart> = stored_carts
        .iter()
        .filter_map(|(id, stored)| Some((*id, stored.parse()?)))
        .collect();
    let customer_ids = carts.values().map(|cart| &*cart.customer_id).collect();
    let product_ids = carts.values().flat_map(products_of).collect();
    let (customers, products) = tokio::try_join!(
        by_id(store, Topic::Customer, customer_ids),
        by_id(store, Topic::Product, product_ids),
    )?;

    let mut text = String::from(r#"{"result":["#);
    let mut last: Option<&str> = None;
    for (order, stored) in &orders {
        // Each order brings its cart and products, and these may be many.
        if text.len() > PAGE_BYTES_MAX {
            cursor = last.map(str::to_owned);
            break;
        }
        if last.is_some() {
            text.push(',');
        }
        let own = stored.json().trim_end();
        text.push_str(own.strip_suffix('}').unwrap_or(own));
        let cart = carts.get(&*order.cart_id);
        push_entity(&mut text, "cart", stored_carts.get(&*order.cart_id));
        let customer = cart.and_then(|cart| customers.get(&*cart.customer_id));
        push_entity(&mut text, "customer", customer);
        let bought = cart.into_iter().flat_map(products_of);
        push_entities(
            &mut text,
            "products",
            bought.filter_map(|id| products.get(id)),
        );
        push_entities(
            &mut text,
            "billings",
            billings.get(&*order.entity_id).into_iter().flatten(),
        );
        push_entities(
            &mut text,
            "shippings",
            shippings.get(&*order.entity_id).into_iter().flatten(),
        );
        text.push('}');
        last = Some(&order.entity_id);
    }
    text.push_str(r#"],"cursor":"#);
    text.push_str(json(&cursor).get());
    text.push('}');
    Ok(raw(text))
}

/// Each product of a cart once, in the cart's order.
fn products_of(cart: &Cart) -> impl Iterator<Item = &str> {
    let mut seen = HashSet::new();
    let ids = cart.product_ids.iter().map(String::as_str);
    ids.filter(move |id| seen.insert(*id))
}

/// The existing entities with these ids.
async fn by_id<'a>(
    store: &ReadStore,
    topic: Topic,
    ids: BTreeSet<&'a str>,
) -> redis::RedisResult<StoredById<'a>> {
    let ids: Vec<&str> = ids.into_iter().collect();
    let found = fetch(store, topic, &ids).await?;
    Ok(ids
        .into_iter()
        .zip(found)
        .filter_map(|(id, stored)| Some((id, stored?)))
        .collect())
}

/// The billings or shippings of these orders, by order id; each order's in the order of their ids.
async fn of_orders(
    store: &ReadStore,
    topic: Topic,
    order_ids: &[&str],
) -> redis::RedisResult<HashMap<String, Vec<Stored>>> {
    let wanted: Vec<_> = order_ids
        .iter()
        .map(|id| (topic, "order_id", *id))
        .collect();
    let candidates = store.candidates(&wanted).await?;
    let ids: BTreeSet<&str> = candidates.iter().flatten().map(String::as_str).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let mut of_orders: HashMap<String, Vec<Stored>> = HashMap::new();
    for stored in fetch(store, topic, &ids).await?.into_iter().flatten() {
        if let Some(OrderReference { order_id }) = stored.parse() {
            of_orders.entry(order_id).or_default().push(stored);
        }
    }
    Ok(of_orders)
}

/// One round trip, however many ids: no command has more than a page of them.
async fn fetch(
    store: &ReadStore,
    topic: Topic,
    ids: &[&str],
) -> redis::RedisResult<Vec<Option<Stored>>> {
    let wanted: Vec<_> = ids
        .chunks(PAGE_ENTITIES_MAX)
        .map(|ids| (Collection::Entities(topic), ids.to_vec()))
        .collect();
    Ok(store.fetch(&wanted).await?.into_iter().flatten().collect())
}

fn push_entity(text: &mut String, field: &str, stored: Option<&Stored>) {
    push_field(text, field);
    text.push_str(stored.map_or("null", Stored::json));
}

fn push_entities<'a>(text: &mut String, field: &str, stored: impl Iterator<Item = &'a Stored>) {
    push_field(text, field);
    text.push('[');
    for (n, stored) in stored.enumerate() {
        if n > 0 {
            text.push(',');
        }
        text.push_str(stored.json());
    }
    text.push(']');
}

fn push_field(text: &mut String, name: &str) {
    text.push_str(",\"");
    text.push_str(name);
    text.push_str("\":");
}
