//! The event store over OrderShop's own contract: client and server.

pub mod client;
mod convert;
pub mod server;
mod subscribing;
mod subscription;
