//! Who is behind orders and what they cost: orders, carts, customers and prices of a whole batch, looked up together.

use std::collections::{BTreeMap, HashMap};

use ordershop_domain::{Aggregate, Cart, Customer, Order, Product};

use super::runner::Failure;
use crate::correlation::Correlation;
use crate::position::Positions;
use crate::services::{Facts, Versioned, distinct};

/// The people behind orders.
pub struct Buyers {
    carts: HashMap<String, Versioned<Cart>>,
    customers: HashMap<String, Versioned<Customer>>,
    prices: BTreeMap<String, u64>,
}

impl Buyers {
    /// Looks up the buyers of these orders; with `prices`, what their carts cost too.
    pub async fn of(
        facts: &Facts,
        orders: &[&Order],
        prices: bool,
        known: &Positions,
        correlation: &Correlation,
    ) -> Result<Self, Failure> {
        let cart_ids = distinct(orders.iter().map(|order| order.cart_id.as_str()));
        let carts: HashMap<String, Versioned<Cart>> =
            facts.by_ids(&cart_ids, known, correlation).await?;
        let customer_ids = distinct(carts.values().map(|cart| cart.entity.customer_id.as_str()));
        let product_ids = if prices {
            distinct(
                carts
                    .values()
                    .flat_map(|cart| &cart.entity.product_ids)
                    .map(String::as_str),
            )
        } else {
            Vec::new()
        };
        let (customers, products) = tokio::try_join!(
            facts.by_ids::<Customer>(&customer_ids, known, correlation),
            facts.by_ids::<Product>(&product_ids, known, correlation),
        )?;
        let prices = products
            .into_iter()
            .map(|(id, product)| (id, product.entity.price))
            .collect();
        Ok(Self {
            customers,
            prices,
            carts,
        })
    }

    /// Who ordered; `None` when the cart or the customer is gone: there is nobody to write to.
    pub fn customer(&self, order: &Order) -> Option<&Customer> {
        let cart = self.carts.get(&order.cart_id)?;
        let customer = self.customers.get(&cart.entity.customer_id)?;
        Some(&customer.entity)
    }

    /// What the order costs; `None` when the cart or a product is gone.
    pub fn sum(&self, order: &Order) -> Option<u64> {
        self.carts.get(&order.cart_id)?.entity.sum(&self.prices)
    }
}

/// The orders that billings or shippings name.
pub async fn orders_of(
    facts: &Facts,
    order_ids: &[&str],
    known: &Positions,
    correlation: &Correlation,
) -> Result<HashMap<String, Order>, Failure> {
    let orders: HashMap<String, Versioned<Order>> =
        facts.by_ids(order_ids, known, correlation).await?;
    Ok(orders
        .into_values()
        .map(|order| (order.entity.id().to_owned(), order.entity))
        .collect())
}
