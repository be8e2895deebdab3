//! The customers behind orders. An order keeps its customer, so a customer's id is cached once it is known.

use std::collections::HashMap;

use ordershop_domain::Order;

use super::memory::Memory;
use super::runner::Failure;
use crate::facts::Facts;
use crate::purchase::purchases;
use ordershop_contract::correlation::Correlation;
use ordershop_contract::position::Positions;

/// The maximum number of orders in the cache.
const ORDERS_MAX: usize = 100_000;

/// A cache of customers' ids by order. Clones share it.
#[derive(Clone, Debug)]
pub struct Buyers(Memory<String>);

impl Default for Buyers {
    fn default() -> Self {
        Self(Memory::of(ORDERS_MAX))
    }
}

impl Buyers {
    /// Remembers the customer of an order that is in stock.
    pub fn remember(&self, order_id: &str, customer_id: &str) {
        self.0.remember(order_id, customer_id.to_owned());
    }

    /// Removes all customers.
    pub fn forget_all(&self) {
        self.0.forget_all();
    }

    /// Returns the orders' customers, without orders that are deleted.
    pub async fn of(
        &self,
        facts: &Facts,
        order_ids: &[&str],
        known: &Positions,
        correlation: &Correlation,
    ) -> Result<HashMap<String, String>, Failure> {
        let mut buyers = self.0.recall(order_ids);
        let strange: Vec<&str> = order_ids
            .iter()
            .copied()
            .filter(|id| !buyers.contains_key(*id))
            .collect();
        let orders = facts.by_ids::<Order>(&strange, known, correlation).await?;
        let orders = orders.values().map(|order| &order.entity);
        for (order_id, purchase) in purchases(facts, orders, known, correlation).await? {
            self.remember(&order_id, &purchase.customer_id);
            buyers.insert(order_id, purchase.customer_id);
        }
        Ok(buyers)
    }
}
