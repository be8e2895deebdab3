//! Carts: the products that a customer has chosen, one entry a piece.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::lifecycle::Aggregate;
use crate::rejection::Rejection;
use crate::status::OrderStatus;

/// The maximum number of pieces in a cart.
pub const PIECES_MAX: usize = 100_000;

/// The maximum number of different products in a cart: its order must fit into one event, and its reservation into one transaction.
pub const PRODUCTS_MAX: usize = 1_000;

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
    /// The order of this cart; set by the system when it is ordered, and taken away when that order is deleted. It decides between an order
    /// and a change of the cart at the same moment: both expect the cart's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
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

    /// Whether a client's fields are the same.
    fn says_the_same_as(&self, other: &Self) -> bool {
        self.customer_id == other.customer_id && self.product_ids == other.product_ids
    }

    /// The same cart, ordered by this order, or by none.
    #[must_use]
    pub fn ordered_by(&self, order_id: Option<String>) -> Self {
        Self {
            order_id,
            ..self.clone()
        }
    }

    /// Refuses if the cart has a living order other than `own`. `orders` are the known orders by cart; an order that is named in the cart and
    /// not known is about to be created.
    pub(crate) fn check_no_order_but(
        &self,
        own: &str,
        orders: &BTreeMap<String, Vec<OrderOfCart>>,
    ) -> Result<(), Rejection> {
        let orders = orders.get(&self.entity_id).map_or(&[][..], Vec::as_slice);
        let living = orders
            .iter()
            .find(|order| order.order_id != own && order.status != OrderStatus::OutOfStock);
        if let Some(OrderOfCart { order_id, status }) = living {
            return Err(Rejection::Conflict(format!(
                "cart {:?} is ordered: its order {order_id:?} is {status}",
                self.entity_id
            )));
        }
        match &self.order_id {
            Some(order_id)
                if order_id != own && orders.iter().all(|order| order.order_id != *order_id) =>
            {
                Err(Rejection::Conflict(format!(
                    "cart {:?} is ordered: its order {order_id:?} is being created",
                    self.entity_id
                )))
            }
            _ => Ok(()),
        }
    }
}

/// An order of a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderOfCart {
    /// The order's id.
    pub order_id: String,
    /// Its progress.
    pub status: OrderStatus,
}

/// What must be known of other aggregates to decide a cart's commands.
#[derive(Clone, Debug, Default)]
pub struct CartFacts {
    /// The named customers that exist.
    pub customers: BTreeSet<String>,
    /// The named products that exist, with their stock in pieces.
    pub stock: BTreeMap<String, u64>,
    /// The known orders of the named carts, by cart.
    pub orders: BTreeMap<String, Vec<OrderOfCart>>,
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
        let products = self.pieces().len();
        if products > PRODUCTS_MAX {
            return Err(Rejection::Invalid(format!(
                "product_ids has {products} different products; at most {PRODUCTS_MAX} are allowed"
            )));
        }
        Ok(())
    }

    fn check_change(&self, before: Option<&Self>, facts: &CartFacts) -> Result<(), Rejection> {
        match before {
            None if self.order_id.is_some() => {
                return Err(Rejection::Invalid(
                    "the system sets a cart's order_id; leave it out".to_owned(),
                ));
            }
            None => {}
            Some(before) if self.order_id.is_some() && self.order_id != before.order_id => {
                return Err(Rejection::Conflict(
                    "the order_id of a cart can't be set; leave it out, or send it as it is"
                        .to_owned(),
                ));
            }
            Some(before) if self.says_the_same_as(before) => return Ok(()),
            Some(before) => before.check_no_order_but("", &facts.orders)?,
        }
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
        self.check_no_order_but("", &facts.orders)
    }

    /// A cart that doesn't change keeps its order; one that may change has no living order any more.
    fn completed(self, before: Option<&Self>, _facts: &CartFacts) -> Result<Self, Rejection> {
        match before {
            Some(before) if self.says_the_same_as(before) => Ok(before.clone()),
            _ => Ok(self.ordered_by(None)),
        }
    }
}
