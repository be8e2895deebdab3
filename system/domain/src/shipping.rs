//! Shippings: parcels on their way. An order has at most one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, Serializer};

use crate::lifecycle::Aggregate;
use crate::rejection::Rejection;
use crate::status::OrderStatus;

/// A parcel on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shipping {
    /// The id; set by the system.
    #[serde(default)]
    pub entity_id: String,
    /// The order that is shipped.
    pub order_id: String,
    /// The time of delivery: Unix time in seconds, fractions allowed; 0 until then.
    #[serde(default, serialize_with = "whole_seconds_as_integer")]
    pub delivered: f64,
}

/// Writes whole seconds as an integer, so that `0` doesn't become `0.0`.
fn whole_seconds_as_integer<S: Serializer>(
    seconds: &f64,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "checked to be whole and below 2^53"
    )]
    if seconds.fract() == 0.0 && seconds.abs() < 9e15 {
        return serializer.serialize_i64(*seconds as i64);
    }
    serializer.serialize_f64(*seconds)
}

/// What must be known of other aggregates to decide a shipping's commands.
#[derive(Clone, Debug, Default)]
pub struct ShippingFacts {
    /// The named orders that exist, with their status.
    pub orders: BTreeMap<String, OrderStatus>,
    /// The named orders that have a shipping.
    pub shipped: BTreeSet<String>,
}

impl Shipping {
    /// Whether the parcel was delivered.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.delivered > 0.0
    }
}

impl Aggregate for Shipping {
    const KIND: &'static str = "shipping";
    type Facts = ShippingFacts;

    fn id(&self) -> &str {
        &self.entity_id
    }

    fn check_values(&self) -> Result<(), Rejection> {
        if self.delivered.is_finite() && self.delivered >= 0.0 {
            return Ok(());
        }
        Err(Rejection::Invalid(format!(
            "delivered is {}; it is 0, or a Unix time in seconds",
            self.delivered
        )))
    }

    fn check_change(&self, before: Option<&Self>, facts: &ShippingFacts) -> Result<(), Rejection> {
        let order_id = &self.order_id;
        if let Some(before) = before {
            if before.order_id != *order_id {
                return Err(Rejection::kept("the order of a shipping", &before.order_id));
            }
            if before.is_delivered() && !self.is_delivered() {
                return Err(Rejection::Conflict(
                    "the shipping has been delivered; that can't be taken back".to_owned(),
                ));
            }
            return Ok(());
        }
        match facts.orders.get(order_id) {
            None => Err(Rejection::unknown("order_id", "order", order_id)),
            Some(_) if facts.shipped.contains(order_id) => Err(Rejection::Conflict(format!(
                "order {order_id:?} already has a shipping"
            ))),
            Some(OrderStatus::Cleared) => Ok(()),
            Some(status) => Err(Rejection::Conflict(format!(
                "order {order_id:?} is {status}; only an order that is CLEARED can be shipped"
            ))),
        }
    }

    /// A parcel that is on its way stays recorded.
    fn check_deletion(&self, facts: &ShippingFacts) -> Result<(), Rejection> {
        match facts.orders.get(&self.order_id) {
            Some(
                status @ (OrderStatus::Cleared | OrderStatus::Shipped | OrderStatus::Delivered),
            ) => Err(Rejection::Conflict(format!(
                "order {:?} is {status}: its shipping can't be deleted",
                self.order_id
            ))),
            _ => Ok(()),
        }
    }
}
