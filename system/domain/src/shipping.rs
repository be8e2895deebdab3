//! Shippings: parcels on their way. At most one an order.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, Serializer};

use crate::lifecycle::Aggregate;
use crate::rejection::Rejection;
use crate::status::OrderStatus;

/// A parcel on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shipping {
    /// Given by the system.
    #[serde(default)]
    pub entity_id: String,
    /// What is shipped.
    pub order_id: String,
    /// 0, or when it arrived: Unix time in seconds, fractions allowed.
    #[serde(default, serialize_with = "whole_seconds_as_integer")]
    pub delivered: f64,
}

/// `0` stays `0` on the wire and does not become `0.0`.
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

/// What a shipping's commands need to know.
#[derive(Clone, Debug, Default)]
pub struct ShippingFacts {
    /// The status of those of the named orders that exist.
    pub orders: BTreeMap<String, OrderStatus>,
    /// Those of the named orders that have a shipping.
    pub shipped: BTreeSet<String>,
}

impl Shipping {
    /// Whether it has arrived.
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
                return Err(Rejection::Conflict(format!(
                    "a shipping stays with its order {:?}",
                    before.order_id
                )));
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
}
