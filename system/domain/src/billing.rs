//! Billings: payments for orders. An order has at most one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::lifecycle::{Aggregate, check_amount};
use crate::order::Order;
use crate::rejection::Rejection;
use crate::status::OrderStatus;

/// A payment for an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Billing {
    /// The id; set by the system.
    #[serde(default)]
    pub entity_id: String,
    /// The order that is paid for.
    pub order_id: String,
    /// The amount, in the smallest unit of money (cents).
    pub amount: u64,
}

/// What must be known of other aggregates to decide a billing's commands.
#[derive(Clone, Debug, Default)]
pub struct BillingFacts {
    /// The named orders that exist.
    pub orders: BTreeMap<String, OrderOfBilling>,
    /// The named orders that have a billing.
    pub billed: BTreeSet<String>,
}

/// An order that is to be paid.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderOfBilling {
    /// The order.
    pub order: Order,
    /// The version of its aggregate.
    pub version: u64,
    /// Its total. Absent only for an order of a foreign service whose cart or a product no longer exists.
    pub total: Option<u64>,
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
        let order_id = &self.order_id;
        let Some(OrderOfBilling { order, total, .. }) = facts.orders.get(order_id) else {
            return Err(Rejection::unknown("order_id", "order", order_id));
        };
        let status = order.status;
        match before {
            Some(before) if before.order_id != *order_id => {
                return Err(Rejection::kept("the order of a billing", &before.order_id));
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
        match total {
            Some(total) if *total == self.amount => Ok(()),
            Some(total) => Err(Rejection::BadReference(format!(
                "amount is {}, but the products of order {order_id:?} cost {total}",
                self.amount
            ))),
            None => Err(Rejection::BadReference(format!(
                "order_id: the cart of order {order_id:?} or one of its products does not exist any more"
            ))),
        }
    }

    /// A payment can be taken back until its order is shipped.
    fn check_deletion(&self, facts: &BillingFacts) -> Result<(), Rejection> {
        match facts
            .orders
            .get(&self.order_id)
            .map(|order| order.order.status)
        {
            Some(status @ (OrderStatus::Shipped | OrderStatus::Delivered)) => {
                Err(Rejection::Conflict(format!(
                    "order {:?} is {status}: its payment can't be taken back any more",
                    self.order_id
                )))
            }
            _ => Ok(()),
        }
    }
}
