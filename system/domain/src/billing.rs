//! Billings: payments for orders. At most one an order.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::lifecycle::{Aggregate, check_amount};
use crate::rejection::Rejection;
use crate::status::OrderStatus;

/// A payment for an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Billing {
    /// Given by the system.
    #[serde(default)]
    pub entity_id: String,
    /// What is paid for.
    pub order_id: String,
    /// How much, in the smallest unit of money.
    pub amount: u64,
}

/// What a billing's commands need to know.
#[derive(Clone, Debug, Default)]
pub struct BillingFacts {
    /// The status of those of the named orders that exist.
    pub orders: BTreeMap<String, OrderStatus>,
    /// The sum of the prices of the order's cart, where it can be found.
    pub sums: BTreeMap<String, u64>,
    /// Those of the named orders that have a billing.
    pub billed: BTreeSet<String>,
}

impl Aggregate for Billing {
    const KIND: &'static str = "billing";
    type Facts = BillingFacts;

    fn id(&self) -> &str {
        &self.entity_id
    }

    fn check_values(&self) -> Result<(), Rejection> {
        check_amount("amount", self.amount)
    }

    fn check_change(&self, before: Option<&Self>, facts: &BillingFacts) -> Result<(), Rejection> {
        if before == Some(self) {
            return Ok(());
        }
        let order_id = &self.order_id;
        let Some(status) = facts.orders.get(order_id) else {
            return Err(Rejection::unknown("order_id", "order", order_id));
        };
        match before {
            Some(before) if before.order_id != *order_id => {
                return Err(Rejection::Conflict(format!(
                    "a billing stays with its order {:?}",
                    before.order_id
                )));
            }
            Some(_) => {}
            None if facts.billed.contains(order_id) => {
                return Err(Rejection::Conflict(format!(
                    "order {order_id:?} is already billed"
                )));
            }
            None if !status.can_be_billed() => {
                return Err(Rejection::Conflict(format!(
                    "order {order_id:?} is {status}; only an order that is IN_STOCK or UNCLEARED can be billed"
                )));
            }
            None => {}
        }
        match facts.sums.get(order_id) {
            Some(&sum) if sum == self.amount => Ok(()),
            Some(sum) => Err(Rejection::BadReference(format!(
                "amount is {}, but the products of order {order_id:?} cost {sum}",
                self.amount
            ))),
            None => Err(Rejection::BadReference(format!(
                "order_id: the cart of order {order_id:?} or one of its products does not exist any more"
            ))),
        }
    }
}
