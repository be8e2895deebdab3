//! The saga's reactions: which event makes which change elsewhere. Each answers *nothing to do* to a repeat.

use crate::order::Order;
use crate::status::OrderStatus;

/// What happened to an order's billing or shipping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// It was paid.
    BillingCreated,
    /// Its payment was taken back.
    BillingDeleted,
    /// It was handed to the carrier.
    ShippingCreated,
    /// It arrived.
    ShippingDelivered,
}

impl Trigger {
    const fn status(self) -> OrderStatus {
        match self {
            Self::BillingCreated => OrderStatus::Cleared,
            Self::BillingDeleted => OrderStatus::Uncleared,
            Self::ShippingCreated => OrderStatus::Shipped,
            Self::ShippingDelivered => OrderStatus::Delivered,
        }
    }
}

/// The order after what happened to its billing or shipping; `None`: it stays as it is (already done, or not allowed from where it stands).
#[must_use]
pub fn order_after(order: &Order, trigger: Trigger) -> Option<Order> {
    let status = trigger.status();
    order
        .status
        .may_become(status)
        .then(|| order.with_status(status))
}

/// The order after its stock was reserved, or couldn't be.
#[must_use]
pub fn order_after_reservation(order: &Order, reserved: bool) -> Option<Order> {
    let status = if reserved {
        OrderStatus::InStock
    } else {
        OrderStatus::OutOfStock
    };
    order
        .status
        .may_become(status)
        .then(|| order.with_status(status))
}

/// Whether an order that stands so is to be shipped.
#[must_use]
pub fn ships(order: &Order) -> bool {
    order.status == OrderStatus::Cleared
}

/// Whether what was reserved for a deleted order goes back. `order` as it was when it was deleted: what is shipped has left the house.
#[must_use]
pub const fn stock_comes_back(order: &Order) -> bool {
    !matches!(order.status, OrderStatus::Shipped | OrderStatus::Delivered)
}
