//! The cart service: a cart's customer and products must exist, its products must be in stock, and its order must not be past CREATED.

use std::collections::BTreeMap;

use async_trait::async_trait;
use ordershop_domain::{Cart, CartFacts, Customer, Inventory, Order, OrderStatus, Product};

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
        let orders_past_created = orders
            .into_values()
            .map(|order| order.entity)
            .filter(|order| order.status != OrderStatus::Created)
            .map(|order| (order.cart_id, (order.entity_id, order.status)))
            .collect();
        Ok(CartFacts {
            customers: customers.into_keys().collect(),
            stock,
            orders_past_created,
        })
    }
}
