//! The domain services: they take commands from the queue, decide, and append. They know the queue and the event store by their traits, and
//! other services' data by queries; nothing of Redis, HTTP or the read model's internals.

mod billing;
mod cart;
mod command;
mod customer;
mod entity;
mod facts;
mod inventory;
mod mail;
mod order;
mod product;
mod reply;
mod shipping;
mod worker;

pub use entity::EntityService;
pub(crate) use facts::distinct;
pub use facts::{Facts, FactsError, Versioned};
pub use mail::MailService;
pub use reply::{Reply, error_reply};
pub use worker::{QueueHandler, ServiceContext, run_worker};

pub use billing::BillingService;
pub use cart::CartService;
pub use customer::CustomerService;
pub use inventory::InventoryService;
pub use order::OrderService;
pub use product::ProductService;
pub use shipping::ShippingService;
