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
pub mod original;
mod outflow;
pub mod peer;
pub mod security;
pub mod server;
mod status;

/// The generated contracts.
#[allow(
    missing_docs,
    nonstandard_style,
    clippy::all,
    clippy::pedantic,
    reason = "generated; the contracts themselves are commented"
)]
pub mod proto {
    /// OrderShop's own contracts: batches, streams, acknowledgements.
    pub mod ordershop {
        tonic::include_proto!("ordershop.v1");
    }
    /// The first OrderShop's event store.
    pub mod eventstore {
        tonic::include_proto!("eventstore");
    }
    /// The first OrderShop's message queue.
    pub mod messagequeue {
        tonic::include_proto!("messagequeue");
    }
    /// All contracts, encoded, for the reflection service.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/contracts.bin"));
}

/// Largest message in either direction, bytes: large enough for a batch of large bodies, small enough to catch mistakes.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
