//! The services, in one table: what `up`, `up --processes` and the command line start. Knows their names and their parts.

use crate::sagas::{self, CrmSaga, InventorySaga, OrderSaga, ShippingSaga};
use crate::services::{
    BillingService, CartService, CustomerService, EntityService, InventoryService, MailService,
    OrderService, ProductService, ServiceContext, ShippingService,
};
use crate::topic::Topic;

/// The process that owns the event store.
pub const EVENT_STORE: &str = "event-store";
/// The process that owns the message queue.
pub const MESSAGE_QUEUE: &str = "message-queue";
/// The process with the HTTP server.
pub const API_GATEWAY: &str = "api-gateway";
/// The process with the projections and their queries.
pub const READ_MODEL: &str = "read-model";

/// A service that needs the queue and the event store and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its name on the command line.
    pub name: &'static str,
    /// Starts its tasks.
    pub start: fn(&ServiceContext),
}

/// Every such service.
pub const SERVICES: [Service; 9] = [
    Service {
        name: "customer-service",
        start: |context| CustomerService::start(context),
    },
    Service {
        name: "product-service",
        start: |context| ProductService::start(context),
    },
    Service {
        name: "inventory-service",
        start: inventory,
    },
    Service {
        name: "cart-service",
        start: |context| CartService::start(context),
    },
    Service {
        name: "order-service",
        start: order,
    },
    Service {
        name: "billing-service",
        start: |context| BillingService::start(context),
    },
    Service {
        name: "shipping-service",
        start: shipping,
    },
    Service {
        name: "crm-service",
        start: crm,
    },
    Service {
        name: "mail-service",
        start: |context| MailService::start(context),
    },
];

/// The names of all processes, in the order in which they are started.
pub fn names() -> impl Iterator<Item = &'static str> {
    [EVENT_STORE, MESSAGE_QUEUE, READ_MODEL]
        .into_iter()
        .chain(SERVICES.map(|service| service.name))
        .chain([API_GATEWAY])
}

fn inventory(context: &ServiceContext) {
    InventoryService::start(context);
    sagas::start(context, Topic::Order, InventorySaga::new(context.clone()));
}

fn order(context: &ServiceContext) {
    OrderService::start(context);
    let saga = OrderSaga::new(context.clone());
    for topic in [Topic::Billing, Topic::Shipping] {
        sagas::start(context, topic, saga.clone());
    }
}

fn shipping(context: &ServiceContext) {
    ShippingService::start(context);
    sagas::start(context, Topic::Order, ShippingSaga::new(context.clone()));
}

fn crm(context: &ServiceContext) {
    let saga = CrmSaga::new(context.clone());
    for topic in [
        Topic::Customer,
        Topic::Order,
        Topic::Billing,
        Topic::Shipping,
    ] {
        sagas::start(context, topic, saga.clone());
    }
}
