//! Topics: the names under which events are broadcast. Knows names alone, no store and no queue.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A topic of the event store: one stream (per partition), one kind of aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// Customers.
    Customer,
    /// Products.
    Product,
    /// Stock, and the reservations made on it.
    Inventory,
    /// Carts.
    Cart,
    /// Orders.
    Order,
    /// Billings.
    Billing,
    /// Shippings.
    Shipping,
    /// Mails sent.
    Mail,
}

impl Topic {
    /// Every topic, in the order in which a customer's journey meets them.
    pub const ALL: [Self; 8] = [
        Self::Customer,
        Self::Product,
        Self::Inventory,
        Self::Cart,
        Self::Order,
        Self::Billing,
        Self::Shipping,
        Self::Mail,
    ];

    /// The name used in keys, routes and the live feed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Product => "product",
            Self::Inventory => "inventory",
            Self::Cart => "cart",
            Self::Order => "order",
            Self::Billing => "billing",
            Self::Shipping => "shipping",
            Self::Mail => "mail",
        }
    }

    /// The plural used in routes and function names.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Customer => "customers",
            Self::Product => "products",
            Self::Inventory => "inventories",
            Self::Cart => "carts",
            Self::Order => "orders",
            Self::Billing => "billings",
            Self::Shipping => "shippings",
            Self::Mail => "mails",
        }
    }

    /// Its place in [`Topic::ALL`], for tables with one slot a topic.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no topic.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown topic {0:?}; topics are customer, product, inventory, cart, order, billing, shipping, mail"
)]
pub struct UnknownTopic(pub String);

impl FromStr for Topic {
    type Err = UnknownTopic;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|topic| topic.name() == name)
            .ok_or_else(|| UnknownTopic(name.to_owned()))
    }
}
