//! Who is behind orders. An order that is in stock keeps its cart and the cart its customer, so what was learned once is remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use ordershop_domain::{Cart, Order};

use super::runner::Failure;
use crate::correlation::Correlation;
use crate::position::Positions;
use crate::services::{Facts, distinct};

/// Orders remembered; beyond this the memory starts anew.
const ORDERS_MAX: usize = 100_000;

/// Customers' ids by order. Clones share the memory.
#[derive(Clone, Debug, Default)]
pub struct Buyers(Arc<Mutex<HashMap<String, String>>>);

impl Buyers {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// Remembers whose an order is that is in stock.
    pub fn remember(&self, order_id: &str, customer_id: &str) {
        let mut buyers = self.lock();
        if buyers.len() >= ORDERS_MAX {
            buyers.clear();
        }
        buyers.insert(order_id.to_owned(), customer_id.to_owned());
    }

    /// Whose these orders are; without those whose order or cart is gone.
    pub async fn of(
        &self,
        facts: &Facts,
        order_ids: &[&str],
        known: &Positions,
        correlation: &Correlation,
    ) -> Result<HashMap<String, String>, Failure> {
        let mut buyers = HashMap::new();
        let mut strange = Vec::new();
        {
            let remembered = self.lock();
            for &order_id in order_ids {
                match remembered.get(order_id) {
                    Some(customer_id) => {
                        buyers.insert(order_id.to_owned(), customer_id.clone());
                    }
                    None => strange.push(order_id),
                }
            }
        }
        let orders = facts.by_ids::<Order>(&strange, known, correlation).await?;
        let cart_ids = distinct(orders.values().map(|order| order.entity.cart_id.as_str()));
        let carts = facts.by_ids::<Cart>(&cart_ids, known, correlation).await?;
        for (order_id, order) in orders {
            if let Some(cart) = carts.get(&order.entity.cart_id) {
                self.remember(&order_id, &cart.entity.customer_id);
                buyers.insert(order_id, cart.entity.customer_id.clone());
            }
        }
        Ok(buyers)
    }
}
