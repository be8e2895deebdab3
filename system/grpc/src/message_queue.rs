//! The message queue over OrderShop's own contract: client and server.

pub mod client;
mod consumer;
mod consuming;
mod convert;
mod functions;
pub mod server;
