//! Topics: the names under which events are published. Must not know the store or the queue.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A topic of the event store: one stream per partition, one kind of aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// Customers.
    Customer,
    /// Products.
    Product,
    /// Stock and its reservations.
    Inventory,
    /// Carts.
    Cart,
    /// Orders.
    Order,
    /// Billings.
    Billing,
    /// Shippings.
    Shipping,
    /// Sent mails.
    Mail,
}

impl Topic {
    /// Every topic, in the order of a customer's journey.
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

    /// The topic's index in [`Topic::ALL`], for tables with one slot per topic.
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

/// The error for a name that isn't a topic.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown topic {0:?}; use one of customer, product, inventory, cart, order, billing, shipping, mail"
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
