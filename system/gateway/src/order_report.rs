//! `/report/orders`: each order joined with its cart, customer, products, billings and shippings. Holds one page of orders at a time.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use ordershop_contract::position::Positions;
use ordershop_contract::queue_names::GET_ENTITIES;
use ordershop_contract::topic::Topic;

use super::body_writer;
use super::error::{HttpError, json};
use super::pages::Pages;
use super::paging::PAGE_MAX;
use super::reply::Reply;
use super::request::GatewayRequest;
use super::shared::Shared;
use ordershop_contract::payload;

/// Orders per page; small, because each order brings its cart and products.
const ORDERS_PER_PAGE: usize = 100;
/// Most queries for billings or shippings in flight at once.
const IN_FLIGHT_MAX: usize = 64;

const TOPICS: [Topic; 6] = [
    Topic::Order,
    Topic::Cart,
    Topic::Customer,
    Topic::Product,
    Topic::Billing,
    Topic::Shipping,
];

/// Answers `/report/orders`.
pub(super) async fn report(request: GatewayRequest) -> Result<Response, HttpError> {
    request.query_string(&[])?;
    let at_least = request.at_least(&TOPICS)?;
    let asker = Asker {
        shared: Arc::clone(&request.shared),
        at_least,
        correlation_id: request.trace.correlation_id.clone(),
    };
    let mut orders = Pages::new(
        &request.shared,
        Topic::Order,
        ORDERS_PER_PAGE,
        at_least,
        &request.trace.correlation_id,
    );
    let first = orders.next().await?.unwrap_or_default();
    let mut page = Some(asker.inline(&first).await?);
    let body = body_writer::stream(&request.shared, |mut body| async move {
        body.write("{\"result\":[").await?;
        let mut comma = "";
        while let Some(text) = page {
            if !text.is_empty() {
                body.write(comma).await?;
                body.write(&text).await?;
                comma = ",";
            }
            page = match orders.next().await? {
                Some(items) => Some(asker.inline(&items).await?),
                None => None,
            };
        }
        body.write("]}").await?;
        Ok(body)
    });
    Ok(json(StatusCode::OK, body))
}

#[derive(Deserialize)]
struct Entity<'a> {
    #[serde(borrow)]
    entity_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct CartIdOf<'a> {
    #[serde(borrow)]
    entity_id: Cow<'a, str>,
    #[serde(borrow)]
    cart_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Cart<'a> {
    #[serde(borrow)]
    customer_id: Cow<'a, str>,
    #[serde(borrow)]
    product_ids: Vec<Cow<'a, str>>,
}

/// The fields that are joined to an order's own.
#[derive(Serialize)]
struct Inlined<'a> {
    cart: Option<&'a RawValue>,
    customer: Option<&'a RawValue>,
    /// Each product of the cart once, in the cart's order.
    products: Vec<&'a RawValue>,
    billings: &'a RawValue,
    shippings: &'a RawValue,
}

/// Entities in JSON by id.
type ById = HashMap<String, Box<RawValue>>;

struct Asker {
    shared: Arc<Shared>,
    at_least: Positions,
    correlation_id: String,
}

impl Asker {
    /// Joins a page of orders (their JSON, separated by commas) with what belongs to them.
    async fn inline(&self, items: &str) -> Result<String, HttpError> {
        let array = format!("[{items}]");
        let orders: Vec<&RawValue> = read(&array)?;
        let heads: Vec<CartIdOf<'_>> = orders
            .iter()
            .map(|order| read(order.get()))
            .collect::<Result<_, _>>()?;
        let billings = self.of_orders(Topic::Billing, &heads);
        let shippings = self.of_orders(Topic::Shipping, &heads);
        let carts = self.by_ids(
            Topic::Cart,
            heads.iter().map(|head| head.cart_id.as_ref()).collect(),
        );
        let (billings, shippings, carts) = tokio::try_join!(billings, shippings, carts)?;
        let mut parsed: HashMap<&str, Cart<'_>> = HashMap::new();
        for (id, cart) in &carts {
            parsed.insert(id, read(cart.get())?);
        }
        let customer_ids: BTreeSet<&str> = parsed
            .values()
            .map(|cart| cart.customer_id.as_ref())
            .collect();
        let product_ids: BTreeSet<&str> = parsed
            .values()
            .flat_map(|cart| cart.product_ids.iter().map(AsRef::as_ref))
            .collect();
        let (customers, products) = tokio::try_join!(
            self.by_ids(Topic::Customer, customer_ids),
            self.by_ids(Topic::Product, product_ids),
        )?;
        let mut text = String::new();
        for (n, (order, head)) in orders.iter().zip(&heads).enumerate() {
            let cart = parsed.get(head.cart_id.as_ref());
            let mut seen: HashSet<&str> = HashSet::new();
            let inlined = Inlined {
                cart: carts.get(head.cart_id.as_ref()).map(AsRef::as_ref),
                customer: cart
                    .and_then(|cart| customers.get(cart.customer_id.as_ref()))
                    .map(AsRef::as_ref),
                products: cart
                    .into_iter()
                    .flat_map(|cart| &cart.product_ids)
                    .map(AsRef::as_ref)
                    .filter(|id: &&str| seen.insert(id))
                    .filter_map(|id| products.get(id).map(AsRef::as_ref))
                    .collect(),
                billings: &billings[n],
                shippings: &shippings[n],
            };
            if n > 0 {
                text.push(',');
            }
            push_joined(&mut text, order, &inlined)?;
        }
        Ok(text)
    }

    /// Each order's entities of a topic as a JSON array, one array per order, in the orders' order.
    async fn of_orders(
        &self,
        name: Topic,
        orders: &[CartIdOf<'_>],
    ) -> Result<Vec<Box<RawValue>>, HttpError> {
        // Boxed, so that the futures share one lifetime; without it the compiler can't infer one.
        let questions: Vec<BoxFuture<'_, _>> = orders
            .iter()
            .map(|order| self.of_order(name, order.entity_id.to_string()).boxed())
            .collect();
        stream::iter(questions)
            .buffered(IN_FLIGHT_MAX)
            .try_collect()
            .await
    }

    async fn of_order(&self, name: Topic, order_id: String) -> Result<Box<RawValue>, HttpError> {
        let props = payload::OrderId {
            order_id: &order_id,
        };
        self.ask(payload::OfOrder { name, props }).await
    }

    /// The entities with these ids; missing ones are left out.
    async fn by_ids(&self, name: Topic, ids: BTreeSet<&str>) -> Result<ById, HttpError> {
        let ids: Vec<&str> = ids.into_iter().collect();
        let mut found = ById::new();
        for ids in ids.chunks(PAGE_MAX) {
            let result = self.ask(payload::ByIds { name, ids }).await?;
            let entities: Vec<Option<Box<RawValue>>> = read(result.get())?;
            for entity in entities.into_iter().flatten() {
                let id = read::<Entity<'_>>(entity.get())?.entity_id.into_owned();
                found.insert(id, entity);
            }
        }
        Ok(found)
    }

    async fn ask(&self, params: impl Serialize + Send) -> Result<Box<RawValue>, HttpError> {
        let payload = payload::message(params, &self.at_least);
        let reply = self
            .shared
            .query(GET_ENTITIES, payload, &self.correlation_id)
            .await?;
        read(Reply::parse(&reply)?.result()?)
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, HttpError> {
    serde_json::from_str(json).map_err(|error| {
        HttpError::new(
            StatusCode::BAD_GATEWAY,
            format!("the read model's answer is not the expected entity: {error}"),
        )
    })
}

/// Appends one object: an order's own fields first, then the joined ones.
fn push_joined(
    text: &mut String,
    order: &RawValue,
    inlined: &Inlined<'_>,
) -> Result<(), HttpError> {
    let more = serde_json::to_string(inlined).expect("raw JSON always serialises");
    let own = order.get().strip_suffix('}').ok_or_else(|| {
        HttpError::new(
            StatusCode::BAD_GATEWAY,
            "the read model answered with an order that is not an object",
        )
    })?;
    text.push_str(own.trim_end());
    text.push(',');
    text.push_str(&more[1..]);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails may panic")]
    use super::*;

    #[test]
    fn an_orders_own_fields_come_before_what_belongs_to_it() {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
        let (order, cart, none) = (
            raw(r#"{"entity_id":"o" }"#),
            raw(r#"{"entity_id":"c"}"#),
            raw("[]"),
        );
        let inlined = Inlined {
            cart: Some(&cart),
            customer: None,
            products: vec![],
            billings: &none,
            shippings: &none,
        };
        let mut text = String::new();
        push_joined(&mut text, &order, &inlined).unwrap();
        assert_eq!(
            text,
            r#"{"entity_id":"o","cart":{"entity_id":"c"},"customer":null,"products":[],"billings":[],"shippings":[]}"#
        );
    }
}
