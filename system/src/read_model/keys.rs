//! The read model's keys. What one topic's projection writes lies in one slot.

use crate::topic::Topic;

/// Which hash an entity lies in: its topic's, or the reservations beside the inventories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Collection {
    /// The entities of a topic: id → `version|JSON`.
    Entities(Topic),
    /// What is reserved for orders: order id → `version|JSON`.
    Reservations,
}

impl Collection {
    /// `order` → its entities; `reservation` → the reservations.
    pub fn named(name: &str) -> Result<Self, crate::topic::UnknownTopic> {
        if name == "reservation" {
            return Ok(Self::Reservations);
        }
        name.parse().map(Self::Entities)
    }

    /// Whose projection fills it.
    pub fn topic(self) -> Topic {
        match self {
            Self::Entities(topic) => topic,
            Self::Reservations => Topic::Inventory,
        }
    }

    /// The hash's key.
    pub fn key(self) -> String {
        match self {
            Self::Entities(topic) => format!("entities:{{{topic}}}"),
            Self::Reservations => "reservations:{inventory}".to_owned(),
        }
    }
}

/// The fields by which a topic's entities can be found without a scan.
pub const fn indexed_fields(topic: Topic) -> &'static [&'static str] {
    match topic {
        Topic::Inventory => &["product_id"],
        Topic::Cart => &["customer_id"],
        Topic::Order => &["cart_id"],
        Topic::Billing | Topic::Shipping => &["order_id"],
        Topic::Customer | Topic::Product | Topic::Mail => &[],
    }
}

/// A sorted set, all scores 0, of `value NUL id`. An entry may outlive a change of the field: readers check the entity itself.
pub fn index_key(topic: Topic, field: &str) -> String {
    format!("index:{{{topic}}}:{field}")
}

/// A sorted set, all scores 0, of ids: the order of pages.
pub fn ids_key(topic: Topic) -> String {
    format!("ids:{{{topic}}}")
}

/// Up to where the topic's events are applied.
pub fn position_key(topic: Topic) -> String {
    format!("position:{{{topic}}}")
}

/// An index's member.
pub fn index_member(value: &str, id: &str) -> String {
    format!("{value}\0{id}")
}

/// The bounds of an index's members that have a value.
pub fn index_range(value: &str) -> (String, String) {
    (format!("[{value}\0"), format!("({value}\u{1}"))
}
