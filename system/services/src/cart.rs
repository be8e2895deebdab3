//! The cart service: a cart's customer and products must exist, its products must be in stock, and it must have no living order.

use std::collections::BTreeMap;

use async_trait::async_trait;
use ordershop_domain::{Cart, CartFacts, Customer, Inventory, Order, OrderOfCart, Product};

use super::entity::EntityService;
use super::facts::{Facts, FactsError, Found, Question, Versioned, distinct};
use ordershop_contract::correlation::Correlation;
use ordershop_contract::position::Positions;

/// Handles the commands of carts.
#[derive(Debug)]
pub struct CartService;

#[async_trait]
impl EntityService for CartService {
    type Entity = Cart;

    async fn facts(
        facts: &Facts,
        carts: &[Cart],
        at_least: &Positions,
        correlation: &Correlation,
    ) -> Result<CartFacts, FactsError> {
        let customer_ids = distinct(carts.iter().map(|cart| cart.customer_id.as_str()));
        let product_ids = distinct(
            carts
                .iter()
                .flat_map(|cart| &cart.product_ids)
                .map(String::as_str),
        );
        let cart_ids = distinct(carts.iter().map(|cart| cart.entity_id.as_str()));
        let questions = [
            Question::ids::<Customer>(&customer_ids),
            Question::ids::<Product>(&product_ids),
            Question::having::<Inventory>("product_id", &product_ids),
            Question::having::<Order>("cart_id", &cart_ids),
        ];
        let found = facts.ask(questions, at_least, correlation).await?;
        let products = found.all::<Product>()?;
        let mut stock: BTreeMap<String, u64> = products.into_keys().map(|id| (id, 0)).collect();
        for inventory in found.all::<Inventory>()?.into_values() {
            if let Some(amount) = stock.get_mut(&inventory.entity.product_id) {
                *amount = amount.saturating_add(inventory.entity.amount);
            }
        }
        Ok(CartFacts {
            customers: found.all::<Customer>()?.into_keys().collect(),
            stock,
            orders: by_cart(&found)?,
        })
    }
}

/// The found orders of each cart.
pub(super) fn by_cart(found: &Found) -> Result<BTreeMap<String, Vec<OrderOfCart>>, FactsError> {
    let mut by_cart: BTreeMap<String, Vec<OrderOfCart>> = BTreeMap::new();
    for Versioned { entity: order, .. } in found.all::<Order>()?.into_values() {
        by_cart.entry(order.cart_id).or_default().push(OrderOfCart {
            order_id: order.entity_id,
            status: order.status,
        });
    }
    Ok(by_cart)
}
