//! The cart service: a cart's customer and products must exist, its products must be in stock, and it must have no living order.

use std::collections::BTreeMap;

use async_trait::async_trait;
use ordershop_domain::{Cart, CartFacts, Customer, Inventory, Order, OrderOfCart, Product};

use super::entity::EntityService;
use super::facts::{Facts, FactsError, distinct};
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
        let (customers, products, inventories, orders) = tokio::try_join!(
            facts.by_ids::<Customer>(&customer_ids, at_least, correlation),
            facts.by_ids::<Product>(&product_ids, at_least, correlation),
            facts.by_property::<Inventory>("product_id", &product_ids, at_least, correlation),
            facts.by_property::<Order>("cart_id", &cart_ids, at_least, correlation),
        )?;
        let mut stock: BTreeMap<String, u64> = products.into_keys().map(|id| (id, 0)).collect();
        for inventory in inventories.into_values() {
            if let Some(amount) = stock.get_mut(&inventory.entity.product_id) {
                *amount = amount.saturating_add(inventory.entity.amount);
            }
        }
        Ok(CartFacts {
            customers: customers.into_keys().collect(),
            stock,
            orders: by_cart(orders.into_values().map(|order| order.entity)),
        })
    }
}

/// The orders of each cart.
pub(super) fn by_cart(orders: impl Iterator<Item = Order>) -> BTreeMap<String, Vec<OrderOfCart>> {
    let mut by_cart: BTreeMap<String, Vec<OrderOfCart>> = BTreeMap::new();
    for order in orders {
        by_cart.entry(order.cart_id).or_default().push(OrderOfCart {
            order_id: order.entity_id,
            status: order.status,
        });
    }
    by_cart
}
