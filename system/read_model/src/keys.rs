//! The keys of the read model. A topic's projection writes keys of one slot only.

use ordershop_contract::topic::Topic;
use ordershop_redis::applied::position_key;

/// The hash that holds an entity: its topic's, or the reservations beside the inventories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Collection {
    /// The entities of a topic: id → `version|JSON`.
    Entities(Topic),
    /// The reservations of orders: order id → `version|JSON`.
    Reservations,
}

impl Collection {
    /// Parses a name: `order`, … → the topic's entities; `reservation` → the reservations.
    pub fn named(name: &str) -> Result<Self, ordershop_contract::topic::UnknownTopic> {
        if name == Self::Reservations.name() {
            return Ok(Self::Reservations);
        }
        name.parse().map(Self::Entities)
    }

    /// The name that [`Self::named`] parses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entities(topic) => topic.name(),
            Self::Reservations => "reservation",
        }
    }

    /// Whether one of these fields has an index.
    pub fn has_index<'a>(self, mut fields: impl Iterator<Item = &'a String>) -> bool {
        let Self::Entities(topic) = self else {
            return false;
        };
        fields.any(|field| indexed_fields(topic).contains(&field.as_str()))
    }

    /// The topic whose projection fills it.
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

/// The fields of a topic's entities that have an index.
pub const fn indexed_fields(topic: Topic) -> &'static [&'static str] {
    match topic {
        Topic::Inventory => &["product_id"],
        Topic::Cart => &["customer_id"],
        Topic::Order => &["cart_id"],
        Topic::Billing | Topic::Shipping => &["order_id"],
        Topic::Customer | Topic::Product | Topic::Mail => &[],
    }
}

/// A sorted set of `value NUL id`, all scores 0. An entry may outlive a change of the field: readers check the entity itself.
pub fn index_key(topic: Topic, field: &str) -> String {
    format!("index:{{{topic}}}:{field}")
}

/// A sorted set of ids, all scores 0: the order of pages.
pub fn ids_key(topic: Topic) -> String {
    format!("ids:{{{topic}}}")
}

/// Every key that a topic's projection writes.
pub fn keys_of(topic: Topic) -> Vec<String> {
    let mut keys = vec![
        position_key(topic),
        Collection::Entities(topic).key(),
        ids_key(topic),
    ];
    let fields = indexed_fields(topic).iter();
    keys.extend(fields.map(|field| index_key(topic, field)));
    if Collection::Reservations.topic() == topic {
        keys.push(Collection::Reservations.key());
    }
    keys
}

/// The beginning of the index members with a value.
pub fn index_prefix(value: &str) -> String {
    format!("{value}\0")
}

/// An index's member.
pub fn index_member(value: &str, id: &str) -> String {
    format!("{value}\0{id}")
}

/// The id in an index's member.
pub fn id_of_member(member: &str) -> Option<&str> {
    member.split_once('\0').map(|(_, id)| id)
}

/// The bounds of the index members with a value.
pub fn index_range(value: &str) -> (String, String) {
    (
        format!("[{}", index_prefix(value)),
        format!("({value}\u{1}"),
    )
}
