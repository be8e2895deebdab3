//! The order's state machine.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An order's status.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    /// Placed; its stock is not reserved yet.
    #[default]
    Created,
    /// Its stock is reserved.
    InStock,
    /// Its stock is short. A final status.
    OutOfStock,
    /// Paid.
    Cleared,
    /// The billing was deleted: the payment was taken back.
    Uncleared,
    /// Handed to the carrier.
    Shipped,
    /// Delivered. A final status.
    Delivered,
}

impl OrderStatus {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Created,
        Self::InStock,
        Self::OutOfStock,
        Self::Cleared,
        Self::Uncleared,
        Self::Shipped,
        Self::Delivered,
    ];

    /// The statuses that may follow this one.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Created => &[Self::InStock, Self::OutOfStock],
            Self::InStock | Self::Uncleared => &[Self::Cleared],
            Self::Cleared => &[Self::Shipped, Self::Uncleared],
            Self::Shipped => &[Self::Delivered],
            Self::OutOfStock | Self::Delivered => &[],
        }
    }

    /// Whether `next` may follow this status.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        self.next().contains(&next)
    }

    /// Whether a billing may be created: whether CLEARED may follow.
    #[must_use]
    pub fn can_be_billed(self) -> bool {
        self.may_become(Self::Cleared)
    }
}

impl fmt::Display for OrderStatus {
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
