//! The message queue over our own contract.

pub mod client;
mod consumer;
mod consuming;
mod convert;
mod functions;
pub mod server;
