//! The table of all roles, from which `up`, `up --processes` and the command line start them.

use std::time::Duration;

use ordershop_contract::topic::Topic;
use ordershop_contract::worker::ServiceContext;
use ordershop_read_model::{self as read_model, ProjectionConfig};
use ordershop_redis::connection::RedisLink;
use ordershop_services::sagas::{self, CrmSaga, InventorySaga, OrderSaga, ShippingSaga};
use ordershop_services::{
    self as services, BillingService, CartService, CustomerService, InventoryService, MailService,
    OrderService, ProductService, ShippingService,
};

/// The process that owns the event store.
pub const EVENT_STORE: &str = "event-store";
/// The process that owns the message queue.
pub const MESSAGE_QUEUE: &str = "message-queue";

/// A part of the system that can run as its own process.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, for its `--help`.
    pub about: &'static str,
    /// What it needs, and what it starts.
    pub part: Part,
}

/// What a role needs, and what it starts.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// Needs Redis. Its process serves the event store over gRPC.
    EventStore,
    /// Needs Redis. Its process serves the message queue over gRPC.
    MessageQueue,
    /// Needs the event store, the message queue and Redis.
    ReadModel,
    /// Needs the event store and the message queue.
    Service(fn(&ServiceContext)),
    /// Needs the event store and the message queue.
    Crm,
    /// Needs the event store and the message queue. Its process serves HTTP.
    ApiGateway,
}

/// What the tasks of roles run on.
pub(super) struct Connections {
    /// The event store and the message queue, and what else the roles of a process share.
    pub(super) context: ServiceContext,
    /// Where the read model keeps its cache; `None` in a process without it.
    pub(super) redis: Option<RedisLink>,
    /// How the read model projects.
    pub(super) projection: ProjectionConfig,
    /// How long the CRM waits for further events.
    pub(super) mail_linger: Duration,
}

impl Role {
    /// Starts its tasks.
    pub(super) fn start(&self, on: &Connections) {
        match self.part {
            Part::Service(start) => start(&on.context),
            Part::Crm => crm(&on.context, on.mail_linger),
            Part::ReadModel => {
                if let Some(link) = &on.redis {
                    read_model::start(&on.context, link, on.projection);
                }
            }
            // The event store and the message queue are the connections themselves, the gateway is the process's server.
            Part::EventStore | Part::MessageQueue | Part::ApiGateway => {}
        }
    }
}

impl Part {
    /// The supervisor starts lower layers first and stops higher layers first: a layer sends work to those below it.
    pub(super) fn layer(self) -> u8 {
        match self {
            Self::EventStore | Self::MessageQueue => 0,
            Self::ReadModel => 1,
            Self::Service(_) | Self::Crm => 2,
            Self::ApiGateway => 3,
        }
    }
}

/// Every role, lower layers first.
pub const ROLES: [Role; 13] = [
    Role {
        name: EVENT_STORE,
        about: "Run the event store: append, read and subscribe over gRPC, kept in Redis",
        part: Part::EventStore,
    },
    Role {
        name: MESSAGE_QUEUE,
        about: "Run the message queue: call, send and consume over gRPC, kept in Redis",
        part: Part::MessageQueue,
    },
    Role {
        name: "read-model",
        about: "Run the read model: project events into Redis and answer queries",
        part: Part::ReadModel,
    },
    Role {
        name: "customer-service",
        about: "Run the customer service: create, update and delete customers",
        part: Part::Service(services::start::<CustomerService>),
    },
    Role {
        name: "product-service",
        about: "Run the product service: create, update and delete products",
        part: Part::Service(services::start::<ProductService>),
    },
    Role {
        name: "inventory-service",
        about: "Run the inventory service: keep stock and reserve it for orders",
        part: Part::Service(inventory),
    },
    Role {
        name: "cart-service",
        about: "Run the cart service: create, update and delete carts",
        part: Part::Service(services::start::<CartService>),
    },
    Role {
        name: "order-service",
        about: "Run the order service: take orders and follow payment and shipping",
        part: Part::Service(order),
    },
    Role {
        name: "billing-service",
        about: "Run the billing service: bill each order once",
        part: Part::Service(services::start::<BillingService>),
    },
    Role {
        name: "shipping-service",
        about: "Run the shipping service: ship each paid order once",
        part: Part::Service(shipping),
    },
    Role {
        name: "crm-service",
        about: "Run the CRM service: tell customers by mail what happens to their orders",
        part: Part::Crm,
    },
    Role {
        name: "mail-service",
        about: "Run the mail service: record the mails that are sent",
        part: Part::Service(MailService::start),
    },
    Role {
        name: "api-gateway",
        about: "Run the API gateway: REST, the live feed and the page over HTTP",
        part: Part::ApiGateway,
    },
];

fn inventory(context: &ServiceContext) {
    services::start::<InventoryService>(context);
    let saga = InventorySaga::new(context.clone());
    sagas::start(context, Topic::Order, || saga.clone());
}

fn order(context: &ServiceContext) {
    services::start::<OrderService>(context);
    let saga = OrderSaga::new(context.clone());
    for topic in [Topic::Billing, Topic::Shipping] {
        sagas::start(context, topic, || saga.clone());
    }
}

fn shipping(context: &ServiceContext) {
    services::start::<ShippingService>(context);
    let saga = || ShippingSaga::new(context.clone());
    sagas::start(context, Topic::Order, saga);
}

fn crm(context: &ServiceContext, linger: Duration) {
    let saga = CrmSaga::new(context.clone(), linger);
    for topic in [
        Topic::Customer,
        Topic::Order,
        Topic::Billing,
        Topic::Shipping,
    ] {
        sagas::start(context, topic, || saga.clone());
    }
}
