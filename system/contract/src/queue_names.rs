//! The names of the functions that services offer on the message queue.

use crate::message_queue::QueueName;
use crate::topic::Topic;

/// Returns one entity by id, or the first with the given properties.
pub const GET_ENTITY: QueueName = read_model("get_entity");
/// Returns entities by ids, by properties, or a page of all.
pub const GET_ENTITIES: QueueName = read_model("get_entities");
/// Returns all that a command or a saga needs to decide: entities by ids and by properties, and what they refer to.
pub const GET_FACTS: QueueName = read_model("get_facts");
/// Returns the mails that were sent.
pub const GET_MAILS: QueueName = read_model("get_mails");
/// A page of the orders, each joined with its cart, customer, products, billings and shippings.
pub const GET_ORDER_REPORT: QueueName = read_model("get_order_report");
/// Returns the orders that have no billing, by id.
pub const GET_UNBILLED_ORDERS: QueueName = read_model("get_unbilled_orders");
/// Returns the orders that have no shipping, by id.
pub const GET_UNSHIPPED_ORDERS: QueueName = read_model("get_unshipped_orders");
/// Returns the shippings that have been delivered.
pub const GET_DELIVERED_ORDERS: QueueName = read_model("get_delivered_orders");
/// Sends a mail: `{to, msg}`.
pub const SEND_MAIL: QueueName = QueueName {
    service: "mail-service",
    function: "send",
};

const fn read_model(function: &'static str) -> QueueName {
    QueueName {
        service: "read-model",
        function,
    }
}

macro_rules! entity_queues {
    ($($topic:ident: $service:literal, $create:literal, $update:literal, $delete:literal;)*) => {
        /// The queue of commands that create a topic's entities; `None` for mails, which no command creates.
        #[must_use]
        pub const fn create(topic: Topic) -> Option<QueueName> {
            match topic { $(Topic::$topic => Some(QueueName { service: $service, function: $create }),)* Topic::Mail => None }
        }
        /// The queue of commands that update a topic's entities; `None` for mails.
        #[must_use]
        pub const fn update(topic: Topic) -> Option<QueueName> {
            match topic { $(Topic::$topic => Some(QueueName { service: $service, function: $update }),)* Topic::Mail => None }
        }
        /// The queue of commands that delete a topic's entities; `None` for mails.
        #[must_use]
        pub const fn delete(topic: Topic) -> Option<QueueName> {
            match topic { $(Topic::$topic => Some(QueueName { service: $service, function: $delete }),)* Topic::Mail => None }
        }
    };
}

entity_queues! {
    Customer: "customer-service", "create_customers", "update_customer", "delete_customer";
    Product: "product-service", "create_products", "update_product", "delete_product";
    Inventory: "inventory-service", "create_inventories", "update_inventory", "delete_inventory";
    Cart: "cart-service", "create_carts", "update_cart", "delete_cart";
    Order: "order-service", "create_orders", "update_order", "delete_order";
    Billing: "billing-service", "create_billings", "update_billing", "delete_billing";
    Shipping: "shipping-service", "create_shippings", "update_shipping", "delete_shipping";
}

/// A customer's journey begins with a new one of these. Whatever follows goes on with it.
pub const BEGINS: [Topic; 4] = [
    Topic::Customer,
    Topic::Product,
    Topic::Inventory,
    Topic::Cart,
];

/// Whether a queue's calls go on with what was begun before: they would make it vain if they were refused. These are facts for commands and
/// sagas, and whatever follows a cart.
#[must_use]
pub fn goes_on(queue: QueueName) -> bool {
    queue == GET_FACTS
        || queue.service != GET_FACTS.service
            && BEGINS.into_iter().all(|topic| create(topic) != Some(queue))
}

/// All queues.
#[must_use]
pub fn all() -> Vec<QueueName> {
    let entities = Topic::ALL
        .into_iter()
        .flat_map(|topic| [create(topic), update(topic), delete(topic)])
        .flatten();
    entities
        .chain([
            GET_ENTITY,
            GET_ENTITIES,
            GET_FACTS,
            GET_MAILS,
            GET_ORDER_REPORT,
            GET_UNBILLED_ORDERS,
            GET_UNSHIPPED_ORDERS,
            GET_DELIVERED_ORDERS,
            SEND_MAIL,
        ])
        .collect()
}
