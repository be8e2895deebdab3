//! The statuses of an order, and its first illegal transition.

use std::fmt;

use serde::Deserialize;

use super::super::event::{AuditEvent, EventAction};
use super::id::Id;

/// The status of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)] // the names are the shop's own
pub enum Status {
    Created,
    InStock,
    OutOfStock,
    Cleared,
    Uncleared,
    Shipped,
    Delivered,
}

impl Status {
    fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Created, Self::InStock | Self::OutOfStock)
                | (Self::InStock | Self::Uncleared, Self::Cleared)
                | (Self::Cleared, Self::Shipped | Self::Uncleared)
                | (Self::Shipped, Self::Delivered)
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "CREATED",
            Self::InStock => "IN_STOCK",
            Self::OutOfStock => "OUT_OF_STOCK",
            Self::Cleared => "CLEARED",
            Self::Uncleared => "UNCLEARED",
            Self::Shipped => "SHIPPED",
            Self::Delivered => "DELIVERED",
        })
    }
}

/// The folded history of an order.
#[derive(Debug)]
pub struct OrderRecord {
    /// The order's cart.
    pub cart: Id,
    /// The current status, or the last one before deletion; `None` before the first event.
    pub status: Option<Status>,
    /// Whether the order was deleted.
    pub deleted: bool,
    /// Time of the first event, in microseconds since the Unix epoch.
    pub began_us: u64,
    /// Whether the order was ever IN_STOCK.
    pub was_in_stock: bool,
    /// The first illegal transition, in words.
    pub fault: Option<Box<str>>,
}

impl OrderRecord {
    /// The record before the first event.
    pub fn new(cart: Id, began_us: u64) -> Self {
        Self {
            cart,
            status: None,
            deleted: false,
            began_us,
            was_in_stock: false,
            fault: None,
        }
    }

    /// Folds one event of the order, with the status in the event's data.
    pub fn take(&mut self, event: &AuditEvent<'_>, next: Status) {
        let fault = match (event.action(), self.status) {
            (_, _) if self.deleted => Some(format!("{next} after it was deleted")),
            (EventAction::Created, None) if next == Status::Created => None,
            (EventAction::Created, None) => Some(format!("it began as {next}")),
            (EventAction::Created, Some(_)) => Some("it was created twice".to_owned()),
            (_, None) => Some(format!("its history begins with {} {next}", event.action)),
            (EventAction::Deleted, Some(now)) if now != next => {
                Some(format!("it was deleted as {next}, but it was {now}"))
            }
            (EventAction::Deleted, Some(_)) => None,
            (_, Some(now)) if !now.may_become(next) => Some(format!("{now} → {next}")),
            (_, Some(_)) => None,
        };
        if let (None, Some(fault)) = (&self.fault, fault) {
            self.fault = Some(fault.into());
        }
        self.deleted |= event.action() == EventAction::Deleted;
        self.was_in_stock |= next == Status::InStock;
        self.status = Some(next);
    }
}
