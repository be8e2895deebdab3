//! What orders were decided on. An order carries it; one of a foreign service may not, and is completed by a query for its cart and the
//! present prices.

use std::collections::{BTreeMap, HashMap};

use ordershop_contract::correlation::Correlation;
use ordershop_contract::position::Positions;
use ordershop_domain::{Cart, Order, Product, Purchase};

use crate::facts::{Facts, FactsError, Found, Question, distinct};

/// Returns what the orders were decided on, by order id; without foreign orders whose cart or a product no longer exists.
pub async fn purchases<'a>(
    facts: &Facts,
    orders: impl Iterator<Item = &'a Order>,
    known: &Positions,
    correlation: &Correlation,
) -> Result<HashMap<String, Purchase>, FactsError> {
    let mut purchases = HashMap::new();
    let mut foreign = Vec::new();
    for order in orders {
        match order.purchase() {
            Some(purchase) => drop(purchases.insert(order.entity_id.clone(), purchase)),
            None => foreign.push(order),
        }
    }
    if foreign.is_empty() {
        return Ok(purchases);
    }
    let cart_ids = distinct(foreign.iter().map(|order| order.cart_id.as_str()));
    let carts = Question::ids::<Cart>(&cart_ids).following::<Product>("product_ids");
    let found = facts.ask([carts], known, correlation).await?;
    let (carts, prices) = (found.all::<Cart>()?, prices(&found)?);
    for order in foreign {
        if let Some(cart) = carts.get(&order.cart_id)
            && let Ok(purchase) = Purchase::of(&cart.entity, &prices)
        {
            purchases.insert(order.entity_id.clone(), purchase);
        }
    }
    Ok(purchases)
}

/// The present prices of the found products.
pub fn prices(found: &Found) -> Result<BTreeMap<String, u64>, FactsError> {
    let products = found.all::<Product>()?.into_iter();
    Ok(products
        .map(|(id, product)| (id, product.entity.price))
        .collect())
}
