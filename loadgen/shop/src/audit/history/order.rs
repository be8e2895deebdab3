//! An order's way through its statuses, and the first step of it that is not allowed.

use std::fmt;

use serde::Deserialize;

use super::super::event::{Action, Event};
use super::Id;

/// Where an order stands.
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

/// An order's history, folded.
#[derive(Debug)]
pub struct OrderRecord {
    /// What is bought.
    pub cart: Id,
    /// Where it stands, or stood when it was deleted; none before its first event.
    pub status: Option<Status>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Its first event, in microseconds since the Unix epoch.
    pub began_us: u64,
    /// Whether its stock was ever said to be reserved.
    pub was_in_stock: bool,
    /// The first step that is not allowed.
    pub fault: Option<Box<str>>,
}

impl OrderRecord {
    /// Before its first event.
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

    /// One more event of it, with the status that it tells.
    pub fn take(&mut self, event: &Event<'_>, next: Status) {
        let fault = match (event.action(), self.status) {
            (_, _) if self.deleted => Some(format!("{next} after it was deleted")),
            (Action::Created, None) if next == Status::Created => None,
            (Action::Created, None) => Some(format!("it began as {next}")),
            (Action::Created, Some(_)) => Some("it was created twice".to_owned()),
            (_, None) => Some(format!("its history begins with {} {next}", event.action)),
            (Action::Deleted, Some(now)) if now != next => {
                Some(format!("it was deleted as {next}, but it was {now}"))
            }
            (Action::Deleted, Some(_)) => None,
            (_, Some(now)) if !now.may_become(next) => Some(format!("{now} → {next}")),
            (_, Some(_)) => None,
        };
        if let (None, Some(fault)) = (&self.fault, fault) {
            self.fault = Some(fault.into());
        }
        self.deleted |= event.action() == Action::Deleted;
        self.was_in_stock |= next == Status::InStock;
        self.status = Some(next);
    }
}
