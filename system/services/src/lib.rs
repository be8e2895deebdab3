//! The domain services: they take commands from the queue, decide, and append. They know the queue and the event store by their traits, and
//! other services' data by queries; nothing of Redis, HTTP or the read model's internals.

mod billing;
mod cart;
mod change;
mod command;
mod command_error;
mod creation;
mod customer;
mod entity;
mod facts;
mod handler;
mod inventory;
mod mail;
mod order;
mod own_effect;
mod product;
mod purchase;
pub mod sagas;
mod shipping;

pub use command_error::CommandError;
pub use creation::KEY_CLAIM;
pub use entity::{Before, EntityService};
pub use facts::{Facts, FactsError, Versioned};
pub use handler::start;
pub use mail::MailService;

pub use billing::BillingService;
pub use cart::CartService;
pub use customer::CustomerService;
pub use inventory::InventoryService;
pub use order::OrderService;
pub use product::ProductService;
pub use shipping::ShippingService;
