//! The table of all services, from which `up`, `up --processes` and the command line start them.

use ordershop_contract::topic::Topic;
use ordershop_contract::worker::ServiceContext;
use ordershop_services::sagas::{self, CrmSaga, InventorySaga, OrderSaga, ShippingSaga};
use ordershop_services::{
    self as services, BillingService, CartService, CustomerService, InventoryService, MailService,
    OrderService, ProductService, ShippingService,
};

/// The process that owns the event store.
pub const EVENT_STORE: &str = "event-store";
/// The process that owns the message queue.
pub const MESSAGE_QUEUE: &str = "message-queue";
/// The process with the HTTP server.
pub const API_GATEWAY: &str = "api-gateway";
/// The process with the projections and their queries.
pub const READ_MODEL: &str = "read-model";

/// A service that needs only the queue and the event store.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// The service's name on the command line.
    pub name: &'static str,
    /// Starts the service's tasks.
    pub start: fn(&ServiceContext),
}

/// Every service that needs only the queue and the event store.
pub const SERVICES: [Service; 9] = [
    Service {
        name: "customer-service",
        start: |context| services::start::<CustomerService>(context),
    },
    Service {
        name: "product-service",
        start: |context| services::start::<ProductService>(context),
    },
    Service {
        name: "inventory-service",
        start: inventory,
    },
    Service {
        name: "cart-service",
        start: |context| services::start::<CartService>(context),
    },
    Service {
        name: "order-service",
        start: order,
    },
    Service {
        name: "billing-service",
        start: |context| services::start::<BillingService>(context),
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

/// A process's description for its `--help`.
#[must_use]
pub fn about(name: &str) -> Option<&'static str> {
    Some(match name {
        EVENT_STORE => "Run the event store: append, read and subscribe over gRPC, kept in Redis",
        MESSAGE_QUEUE => "Run the message queue: call, send and consume over gRPC, kept in Redis",
        READ_MODEL => "Run the read model: project events into Redis and answer queries",
        API_GATEWAY => "Run the API gateway: REST, the live feed and the page over HTTP",
        "customer-service" => "Run the customer service: create, update and delete customers",
        "product-service" => "Run the product service: create, update and delete products",
        "inventory-service" => "Run the inventory service: keep stock and reserve it for orders",
        "cart-service" => "Run the cart service: create, update and delete carts",
        "order-service" => "Run the order service: take orders and follow payment and shipping",
        "billing-service" => "Run the billing service: bill each order once",
        "shipping-service" => "Run the shipping service: ship each paid order once",
        "crm-service" => "Run the CRM service: tell customers by mail what happens to their orders",
        "mail-service" => "Run the mail service: record the mails that are sent",
        _ => return None,
    })
}

fn inventory(context: &ServiceContext) {
    services::start::<InventoryService>(context);
    sagas::start(context, Topic::Order, InventorySaga::new(context.clone()));
}

fn order(context: &ServiceContext) {
    services::start::<OrderService>(context);
    let saga = OrderSaga::new(context.clone());
    for topic in [Topic::Billing, Topic::Shipping] {
        sagas::start(context, topic, saga.clone());
    }
}

fn shipping(context: &ServiceContext) {
    services::start::<ShippingService>(context);
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

#[cfg(test)]
mod tests {
    #[test]
    fn every_process_has_a_description() {
        for name in super::names() {
            assert!(super::about(name).is_some(), "{name}");
        }
    }
}
