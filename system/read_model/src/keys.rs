//! The keys of the read model. A partition's projection writes keys of one slot only.

use ordershop_contract::partition::{Partition, Partitions, UnknownPartition};
use ordershop_contract::topic::Topic;
use ordershop_redis::applied::position_key;

/// What the reservations are called.
const RESERVATION: &str = "reservation";

/// The hash that holds an entity: its topic's, or the reservations beside the inventories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Collection {
    /// The entities of a topic: id → `version|JSON`.
    Entities(Topic),
    /// The reservations of orders in a partition of the inventories, by its number: order id → `version|JSON`. An order has one where each of
    /// its products is.
    Reservations(u8),
}

impl Collection {
    /// Parses a name: `order`, … → the topic's entities; `reservation`, `reservation.1`, … → the reservations in a partition.
    pub fn named(name: &str) -> Result<Self, UnknownPartition> {
        if let Some(number) = name.strip_prefix(RESERVATION) {
            let partition: Partition = format!("{}{number}", Topic::Inventory).parse()?;
            return Ok(Self::Reservations(partition.number));
        }
        Ok(Self::Entities(name.parse()?))
    }

    /// What its entities are called in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entities(topic) => topic.name(),
            Self::Reservations(_) => RESERVATION,
        }
    }

    /// Whether one of these fields has an index.
    pub fn has_index<'a>(self, mut fields: impl Iterator<Item = &'a String>) -> bool {
        let Self::Entities(topic) = self else {
            return false;
        };
        fields.any(|field| indexed_fields(topic).contains(&field.as_str()))
    }

    /// The topic whose projections fill it.
    pub fn topic(self) -> Topic {
        match self {
            Self::Entities(topic) => topic,
            Self::Reservations(_) => Topic::Inventory,
        }
    }

    /// The partition in which it has an id.
    pub fn partition_of(self, partitions: Partitions, id: &str) -> Partition {
        match self {
            Self::Entities(topic) => partitions.of(topic, id),
            Self::Reservations(number) => Partition::new(Topic::Inventory, number),
        }
    }

    /// The key of the hash in a partition.
    pub fn key(self, partition: Partition) -> String {
        match self {
            Self::Entities(_) => format!("entities:{{{partition}}}"),
            Self::Reservations(_) => format!("reservations:{{{partition}}}"),
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

/// The partitions with the entities whose indexed field has a value: that of the entity which the field refers to, and which they are made
/// beside. Only carts are made anywhere, whoever their customer is.
pub fn partitions_with(
    partitions: Partitions,
    topic: Topic,
    value: &str,
) -> impl Iterator<Item = Partition> {
    let beside = (topic != Topic::Cart).then(|| partitions.of(topic, value));
    let all = partitions.of_topic(topic);
    all.filter(move |partition| beside.is_none_or(|beside| beside == *partition))
}

/// A sorted set of `value NUL id`, all scores 0. An entry may outlive a change of the field: readers check the entity itself.
pub fn index_key(partition: Partition, field: &str) -> String {
    format!("index:{{{partition}}}:{field}")
}

/// A sorted set of ids, all scores 0: the order of pages.
pub fn ids_key(partition: Partition) -> String {
    format!("ids:{{{partition}}}")
}

/// Every key that a partition's projection writes.
pub fn keys_of(partition: Partition) -> Vec<String> {
    let topic = partition.topic;
    let mut keys = vec![
        position_key(partition),
        Collection::Entities(topic).key(partition),
        ids_key(partition),
    ];
    let fields = indexed_fields(topic).iter();
    keys.extend(fields.map(|field| index_key(partition, field)));
    let reservations = Collection::Reservations(partition.number);
    if reservations.topic() == topic {
        keys.push(reservations.key(partition));
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
