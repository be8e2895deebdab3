//! The event store over our own contract.

pub mod client;
mod convert;
pub mod server;
mod subscribing;
mod subscription;
