//! The statuses of an order, what was ordered, and its first illegal transition.

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

    /// Whether an order that has this status must be paid.
    pub fn is_paid(self) -> bool {
        matches!(self, Self::Cleared | Self::Shipped | Self::Delivered)
    }

    /// Whether an order that has this status was handed over to its customer's carrier.
    pub fn has_left(self) -> bool {
        matches!(self, Self::Shipped | Self::Delivered)
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

/// What was ordered.
#[derive(Debug, PartialEq, Eq)]
pub struct Bought {
    /// The customer.
    pub customer: Id,
    /// The lines, sorted by the product's id.
    pub lines: Vec<Line>,
    /// The sum to pay, in cents.
    pub total: i64,
}

/// Pieces of one product.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// The product.
    pub product: Id,
    /// The price of a piece, in cents.
    pub price: i64,
    /// Number of pieces.
    pub quantity: u64,
}

impl Bought {
    /// Number of pieces of each product, sorted by the product's id.
    pub fn pieces(&self) -> Vec<(Id, u64)> {
        let mut pieces: Vec<(Id, u64)> = Vec::with_capacity(self.lines.len());
        for line in &self.lines {
            match pieces.last_mut() {
                Some((product, count)) if *product == line.product => *count += line.quantity,
                _ => pieces.push((line.product.clone(), line.quantity)),
            }
        }
        pieces
    }

    /// What the lines cost, in cents.
    pub fn cost(&self) -> i128 {
        let costs = self.lines.iter();
        costs
            .map(|line| i128::from(line.price) * i128::from(line.quantity))
            .sum()
    }
}

/// The folded history of an order.
#[derive(Debug)]
pub struct OrderRecord {
    /// The order's cart.
    pub cart: Id,
    /// What was ordered, by the first event that says it.
    pub bought: Option<Bought>,
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
    /// Whether an event said that something else was ordered than an earlier one.
    pub reordered: bool,
}

impl OrderRecord {
    /// The record before the first event.
    pub fn new(cart: Id, began_us: u64) -> Self {
        Self {
            cart,
            bought: None,
            status: None,
            deleted: false,
            began_us,
            was_in_stock: false,
            fault: None,
            reordered: false,
        }
    }

    /// Folds one event of the order, with the cart, the status and what was ordered as the event's data has them.
    pub fn take(
        &mut self,
        event: &AuditEvent<'_>,
        cart: &Id,
        next: Status,
        bought: Option<Bought>,
    ) {
        if let (None, Some(fault)) = (&self.fault, self.illegal(event, next)) {
            self.fault = Some(fault.into());
        }
        self.reordered |= self.cart != *cart;
        match (&self.bought, bought) {
            (Some(before), Some(now)) => self.reordered |= *before != now,
            (None, now) => self.bought = now,
            // An event of a service that knows no lines.
            (Some(_), None) => {}
        }
        self.deleted |= event.action() == EventAction::Deleted;
        self.was_in_stock |= next == Status::InStock;
        self.status = Some(next);
    }

    fn illegal(&self, event: &AuditEvent<'_>, next: Status) -> Option<String> {
        match (event.action(), self.status) {
            (_, _) if self.deleted => Some(format!("{next} after it was deleted")),
            (EventAction::Created, None) if next == Status::Created => None,
            (EventAction::Created, None) => Some(format!("it began as {next}")),
            (EventAction::Created, Some(_)) => Some("it was created twice".to_owned()),
            (_, None) => Some(format!("its history begins with {} {next}", event.action)),
            (EventAction::Deleted, Some(now)) if now != next => {
                Some(format!("it was deleted as {next}, but it was {now}"))
            }
            (EventAction::Deleted, Some(now)) if now.is_paid() => {
                Some(format!("it was deleted as {now}"))
            }
            (EventAction::Deleted, Some(_)) => None,
            (_, Some(now)) if !now.may_become(next) => Some(format!("{now} → {next}")),
            // Where an order has its lines, its events are the shop's own, and clients don't write its status.
            (_, Some(_)) if self.bought.is_some() && event.is_request() => {
                Some(format!("a client's request made it {next}"))
            }
            (_, Some(_)) => None,
        }
    }

    /// Whether it takes its cart: no other order of this cart may live.
    pub fn is_live(&self) -> bool {
        !self.deleted && self.status != Some(Status::OutOfStock)
    }
}
