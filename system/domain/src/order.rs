//! Orders: what a customer has bought, with the progress of the purchase. An order is decided once: from its creation on it carries what it
//! was decided on, and depends on neither cart nor products any more.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::cart::{Cart, OrderOfCart};
use crate::lifecycle::Aggregate;
use crate::rejection::Rejection;
use crate::status::OrderStatus;

/// Pieces of one product at the price at which they were ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderLine {
    /// The product.
    pub product_id: String,
    /// The number of pieces.
    pub quantity: u64,
    /// The price of one piece when it was ordered, in the smallest unit of money (cents).
    pub price: u64,
}

/// What an order was decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// The customer who buys.
    pub customer_id: String,
    /// The pieces, a line a product.
    pub lines: Vec<OrderLine>,
    /// The sum of all pieces' prices.
    pub total: u64,
}

impl Purchase {
    /// What an order of `cart` at these prices buys.
    ///
    /// # Errors
    /// A price is unknown, or the sum exceeds [`crate::AMOUNT_MAX`].
    pub fn of(cart: &Cart, prices: &BTreeMap<String, u64>) -> Result<Self, Rejection> {
        let mut lines = Vec::new();
        for (product_id, quantity) in cart.pieces() {
            let Some(&price) = prices.get(product_id) else {
                return Err(Rejection::BadReference(format!(
                    "cart_id: cart {:?} has the product {product_id:?}, which no longer exists",
                    cart.entity_id
                )));
            };
            lines.push(OrderLine {
                product_id: product_id.to_owned(),
                quantity,
                price,
            });
        }
        let costs = lines
            .iter()
            .map(|line| line.quantity.checked_mul(line.price));
        let total = costs
            .collect::<Option<Vec<_>>>()
            .and_then(crate::limits::sum)
            .ok_or_else(|| {
                Rejection::BadReference(format!(
                    "cart_id: the products of cart {:?} cost more than {}",
                    cart.entity_id,
                    crate::AMOUNT_MAX
                ))
            })?;
        Ok(Self {
            customer_id: cart.customer_id.clone(),
            lines,
            total,
        })
    }
}

/// What a customer has bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The id; set by the system.
    #[serde(default)]
    pub entity_id: String,
    /// The cart that is bought.
    pub cart_id: String,
    /// The order's progress; set by the sagas.
    #[serde(default)]
    pub status: OrderStatus,
    /// The customer; set by the system. Only an order of a foreign service may lack this and the next two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// The pieces; set by the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<OrderLine>>,
    /// The sum of all pieces' prices; set by the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// A cart with the version of its aggregate.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionedCart {
    /// The cart.
    pub cart: Cart,
    /// The version that an order of it expects.
    pub version: u64,
}

/// What must be known of other aggregates to decide an order's commands.
#[derive(Clone, Debug, Default)]
pub struct OrderFacts {
    /// The named carts that exist.
    pub carts: BTreeMap<String, VersionedCart>,
    /// The carts' customers that exist.
    pub customers: BTreeSet<String>,
    /// The prices of the carts' products that exist.
    pub prices: BTreeMap<String, u64>,
    /// The known orders of the carts, by cart.
    pub orders: BTreeMap<String, Vec<OrderOfCart>>,
}

impl Order {
    /// The same order with another status.
    #[must_use]
    pub fn with_status(&self, status: OrderStatus) -> Self {
        Self {
            status,
            ..self.clone()
        }
    }

    /// The same order with what it was decided on.
    #[must_use]
    pub fn with_purchase(self, purchase: Purchase) -> Self {
        Self {
            customer_id: Some(purchase.customer_id),
            lines: Some(purchase.lines),
            total: Some(purchase.total),
            ..self
        }
    }

    /// What it was decided on; `None` if it is of a foreign service that doesn't tell.
    #[must_use]
    pub fn purchase(&self) -> Option<Purchase> {
        Some(Purchase {
            customer_id: self.customer_id.clone()?,
            lines: self.lines.clone()?,
            total: self.total?,
        })
    }

    fn check_creation(&self, facts: &OrderFacts) -> Result<(), Rejection> {
        if self.status != OrderStatus::Created {
            return Err(Rejection::Conflict(format!(
                "an order begins as CREATED, not as {}",
                self.status
            )));
        }
        if self.customer_id.is_some() || self.lines.is_some() || self.total.is_some() {
            return Err(Rejection::Invalid(
                "the system sets an order's customer_id, lines and total; leave them out"
                    .to_owned(),
            ));
        }
        let Some(VersionedCart { cart, .. }) = facts.carts.get(&self.cart_id) else {
            return Err(Rejection::unknown("cart_id", "cart", &self.cart_id));
        };
        // A foreign service's cart may be larger than an order may be.
        if let Err(rejection) = cart.check_values() {
            let text = format!(
                "cart_id: cart {:?} can't be ordered: {rejection}",
                cart.entity_id
            );
            return Err(Rejection::BadReference(text));
        }
        cart.check_no_order_but(&self.entity_id, &facts.orders)?;
        if !facts.customers.contains(&cart.customer_id) {
            return Err(Rejection::BadReference(format!(
                "cart_id: the customer {:?} of cart {:?} no longer exists",
                cart.customer_id, cart.entity_id
            )));
        }
        Ok(())
    }

    fn check_update(&self, before: &Self) -> Result<(), Rejection> {
        if before.cart_id != self.cart_id {
            return Err(Rejection::kept("the cart of an order", &before.cart_id));
        }
        if before.status != self.status {
            return Err(Rejection::Conflict(format!(
                "the status of an order can't be set: it is {}, and follows from its stock, billing and shipping",
                before.status
            )));
        }
        let differs = self.customer_id.is_some() && self.customer_id != before.customer_id
            || self.lines.is_some() && self.lines != before.lines
            || self.total.is_some() && self.total != before.total;
        if differs {
            return Err(Rejection::Conflict(
                "customer_id, lines and total of an order can't change; leave them out, or send them as they are"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

impl Aggregate for Order {
    const KIND: &'static str = "order";
    type Facts = OrderFacts;

    fn id(&self) -> &str {
        &self.entity_id
    }

    fn check_values(&self) -> Result<(), Rejection> {
        Ok(())
    }

    fn check_change(&self, before: Option<&Self>, facts: &OrderFacts) -> Result<(), Rejection> {
        match before {
            None => self.check_creation(facts),
            Some(before) => self.check_update(before),
        }
    }

    fn check_deletion(&self, _facts: &OrderFacts) -> Result<(), Rejection> {
        match self.status {
            OrderStatus::Created
            | OrderStatus::OutOfStock
            | OrderStatus::InStock
            | OrderStatus::Uncleared => Ok(()),
            OrderStatus::Cleared | OrderStatus::Shipped | OrderStatus::Delivered => {
                Err(Rejection::Conflict(format!(
                    "order {:?} is {}: what is paid can't be deleted; delete its billing first, while nothing is shipped",
                    self.entity_id, self.status
                )))
            }
        }
    }

    /// A new order gets what it was decided on; an update changes nothing.
    fn completed(self, before: Option<&Self>, facts: &OrderFacts) -> Result<Self, Rejection> {
        if let Some(before) = before {
            return Ok(before.clone());
        }
        match facts.carts.get(&self.cart_id) {
            Some(VersionedCart { cart, .. }) => {
                let purchase = Purchase::of(cart, &facts.prices)?;
                Ok(self.with_purchase(purchase))
            }
            None => Err(Rejection::unknown("cart_id", "cart", &self.cart_id)),
        }
    }
}
