//! The sagas' reactions: which event causes which change in another aggregate. A repeated event causes no change.

use crate::order::Order;
use crate::status::OrderStatus;

/// What happened to an order's billing or shipping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The billing was created: the order is paid.
    BillingCreated,
    /// The billing was deleted: the payment was taken back.
    BillingDeleted,
    /// The shipping was created: the parcel was handed to the carrier.
    ShippingCreated,
    /// The shipping was marked as delivered.
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

/// The order after an event of its billing or shipping; `None` if it doesn't change (already done, or not allowed from its
/// status).
#[must_use]
pub fn order_after(order: &Order, trigger: Trigger) -> Option<Order> {
    let status = trigger.status();
    order
        .status
        .may_become(status)
        .then(|| order.with_status(status))
}

/// The order after its stock was reserved (`reserved`) or turned out to be short; `None` if the order doesn't change.
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

/// Whether the order is to be shipped now.
#[must_use]
pub fn ships(order: &Order) -> bool {
    order.status == OrderStatus::Cleared
}

/// Whether a payment is returned: its order (`None`: deleted) can't be paid any more, or not yet (a foreign service took it).
#[must_use]
pub fn payment_goes_back(order: Option<&Order>) -> bool {
    order.is_none_or(|order| matches!(order.status, OrderStatus::Created | OrderStatus::OutOfStock))
}

/// Whether a shipping is withdrawn: its order (`None`: deleted) isn't paid, although it was when the shipping was decided.
#[must_use]
pub fn shipping_is_withdrawn(order: Option<&Order>) -> bool {
    order.is_none_or(|order| {
        !matches!(
            order.status,
            OrderStatus::Cleared | OrderStatus::Shipped | OrderStatus::Delivered
        )
    })
}

/// Whether an order whose shipping was deleted is shipped again: it was paid anew at the same moment.
#[must_use]
pub const fn is_shipped_again(order: &Order) -> bool {
    matches!(order.status, OrderStatus::Cleared | OrderStatus::Shipped)
}

/// Whether the stock reserved for a deleted order is given back. `order` is its last state; the pieces of a shipped order
/// are gone.
#[must_use]
pub const fn stock_comes_back(order: &Order) -> bool {
    !matches!(order.status, OrderStatus::Shipped | OrderStatus::Delivered)
}
