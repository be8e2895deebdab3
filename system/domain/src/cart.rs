//! Carts: the products that a customer has chosen, one entry a piece.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::lifecycle::Aggregate;
use crate::rejection::Rejection;
use crate::status::OrderStatus;

/// The maximum number of pieces in a cart.
pub const PIECES_MAX: usize = 100_000;

/// The products that a customer has chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cart {
    /// The id; set by the system.
    #[serde(default)]
    pub entity_id: String,
    /// The customer who owns the cart.
    pub customer_id: String,
    /// One entry a piece: a product that is wanted twice is listed twice.
    pub product_ids: Vec<String>,
}

impl Cart {
    /// The number of pieces by product.
    #[must_use]
    pub fn pieces(&self) -> BTreeMap<&str, u64> {
        let mut pieces = BTreeMap::new();
        for product_id in &self.product_ids {
            *pieces.entry(product_id.as_str()).or_default() += 1;
        }
        pieces
    }

    /// The sum of the prices of its pieces; `None` if a price is unknown or the sum exceeds [`crate::AMOUNT_MAX`].
    #[must_use]
    pub fn sum(&self, prices: &BTreeMap<String, u64>) -> Option<u64> {
        crate::limits::sum(
            self.product_ids
                .iter()
                .map(|id| prices.get(id).copied())
                .collect::<Option<Vec<_>>>()?,
        )
    }
}

/// What must be known of other aggregates to decide a cart's commands.
#[derive(Clone, Debug, Default)]
pub struct CartFacts {
    /// The named customers that exist.
    pub customers: BTreeSet<String>,
    /// The named products that exist, with their stock in pieces.
    pub stock: BTreeMap<String, u64>,
    /// By cart: its order's id and status, if the order is past CREATED.
    pub orders_past_created: BTreeMap<String, (String, OrderStatus)>,
}

impl CartFacts {
    fn check_still_open(&self, cart_id: &str) -> Result<(), Rejection> {
        match self.orders_past_created.get(cart_id) {
            None => Ok(()),
            Some((order_id, status)) => Err(Rejection::Conflict(format!(
                "cart {cart_id:?} can't change any more: its order {order_id:?} is {status}"
            ))),
        }
    }
}

impl Aggregate for Cart {
    const KIND: &'static str = "cart";
    type Facts = CartFacts;

    fn id(&self) -> &str {
        &self.entity_id
    }

    fn check_values(&self) -> Result<(), Rejection> {
        if self.product_ids.len() > PIECES_MAX {
            return Err(Rejection::Invalid(format!(
                "product_ids has {} entries; at most {PIECES_MAX} are allowed",
                self.product_ids.len()
            )));
        }
        Ok(())
    }

    fn check_change(&self, before: Option<&Self>, facts: &CartFacts) -> Result<(), Rejection> {
        if before == Some(self) {
            return Ok(());
        }
        facts.check_still_open(&self.entity_id)?;
        if !facts.customers.contains(&self.customer_id) {
            return Err(Rejection::unknown(
                "customer_id",
                "customer",
                &self.customer_id,
            ));
        }
        for (product_id, wanted) in self.pieces() {
            match facts.stock.get(product_id) {
                None => return Err(Rejection::unknown("product_ids", "product", product_id)),
                Some(&available) if available < wanted => {
                    return Err(Rejection::Conflict(format!(
                        "product {product_id:?} is out of stock: {wanted} wanted, {available} available"
                    )));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn check_deletion(&self, facts: &CartFacts) -> Result<(), Rejection> {
        facts.check_still_open(&self.entity_id)
    }
}
