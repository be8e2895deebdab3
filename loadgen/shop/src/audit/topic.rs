//! The shop's topics and their partitions by their names in the REST interface, from which events and entities are read. Knows names only.

use loadgen_engine::feed::partition::Partition;

/// A topic: one kind of entity and its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names say it
pub enum ShopTopic {
    Customer,
    Product,
    Inventory,
    Cart,
    Order,
    Billing,
    Shipping,
    Mail,
}

impl ShopTopic {
    /// Every topic.
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

    /// The topic's name, which is also the path for creating an entity.
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

    /// The plural, with which the function name of the asynchronous queue ends, too.
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

    /// The path of the list of all entities.
    pub const fn collection(self) -> &'static str {
        match self {
            Self::Customer => "/customers",
            Self::Product => "/products",
            Self::Inventory => "/inventories",
            Self::Cart => "/carts",
            Self::Order => "/orders",
            Self::Billing => "/billings",
            Self::Shipping => "/shippings",
            Self::Mail => "/mails/sent",
        }
    }

    /// The topic with this name or plural.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|topic| topic.name() == name || topic.plural() == name)
    }
}

impl std::fmt::Display for ShopTopic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A partition of a topic: a stream of its own, within which positions and versions count. An aggregate's events are in one of them; only an
/// order's reservation is in each one that has products of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShopPartition {
    /// The topic.
    pub topic: ShopTopic,
    /// From 0.
    pub number: u32,
}

impl ShopPartition {
    /// Every partition of a shop with so many of each topic.
    pub fn all(partitions: u32) -> impl Iterator<Item = Self> {
        let topics = ShopTopic::ALL.into_iter();
        topics.flat_map(move |topic| (0..partitions).map(move |number| Self { topic, number }))
    }

    /// The partition of this name: `order`, `order.3`.
    pub fn named(name: &str) -> Option<Self> {
        let Partition { topic, number } = Partition::parse(name);
        let topic = ShopTopic::named(topic)?;
        Some(Self { topic, number })
    }
}

impl std::fmt::Display for ShopPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (topic, number) = (self.topic.name(), self.number);
        f.write_str(&Partition { topic, number }.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_has_so_many_partitions_of_each_topic_and_each_is_found_by_its_name() {
        let all: Vec<ShopPartition> = ShopPartition::all(3).collect();
        assert_eq!(all.len(), 24);
        let names: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(
            names[..4],
            ["customer", "customer.1", "customer.2", "product"]
        );
        for (partition, name) in all.iter().zip(&names) {
            assert_eq!(ShopPartition::named(name), Some(*partition));
        }
        assert_eq!(ShopPartition::named("thing.1"), None);
    }
}
