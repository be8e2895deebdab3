//! Orders: carts that are to be bought, with the progress of the purchase.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::lifecycle::Aggregate;
use crate::rejection::Rejection;
use crate::status::OrderStatus;

/// A cart that is to be bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The id; set by the system.
    #[serde(default)]
    pub entity_id: String,
    /// The cart that is bought.
    pub cart_id: String,
    /// The order's progress.
    #[serde(default)]
    pub status: OrderStatus,
}

/// What must be known of other aggregates to decide an order's commands.
#[derive(Clone, Debug, Default)]
pub struct OrderFacts {
    /// The named carts that exist.
    pub carts: BTreeSet<String>,
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
        if before == Some(self) {
            return Ok(());
        }
        match before {
            None if self.status != OrderStatus::Created => Err(Rejection::Conflict(format!(
                "an order begins as CREATED, not as {}",
                self.status
            ))),
            None if !facts.carts.contains(&self.cart_id) => {
                Err(Rejection::unknown("cart_id", "cart", &self.cart_id))
            }
            // The stock is reserved for the pieces of this cart.
            Some(before) if before.cart_id != self.cart_id => Err(Rejection::Conflict(format!(
                "the cart of an order can't change: it is {:?}",
                before.cart_id
            ))),
            Some(before)
                if before.status != self.status && !before.status.may_become(self.status) =>
            {
                Err(Rejection::Conflict(illegal(before.status, self.status)))
            }
            _ => Ok(()),
        }
    }
}

fn illegal(from: OrderStatus, to: OrderStatus) -> String {
    let next = from.next();
    if next.is_empty() {
        return format!("an order that is {from} can't become {to}: {from} is final");
    }
    let next: Vec<String> = next.iter().map(ToString::to_string).collect();
    format!(
        "an order that is {from} can't become {to}, only {}",
        next.join(" or ")
    )
}
