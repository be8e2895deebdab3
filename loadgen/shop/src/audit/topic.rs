//! The shop's topics by their names in the REST interface, from which events and entities are read. Knows names only.

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
