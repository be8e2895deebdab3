//! The event store and the message queue between processes. Servers offer an implementation of the traits over the contracts in
//! `proto/`; clients implement the same traits, so that a service needs no change. Must not know what events and messages mean.

pub mod address;
mod answering;
mod batch_stream;
pub mod connection;
mod correlation;
pub mod event_store;
mod exchange;
pub mod message_queue;
pub mod message_size;
mod number;
mod outflow;
mod outstanding;
pub mod peer;
mod peer_clock;
pub mod proto;
mod protocol;
pub mod security;
pub mod server;
mod status;
