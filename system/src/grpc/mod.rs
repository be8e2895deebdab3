//! The event store and the message queue between processes. Servers put the contracts in `proto/` before an implementation of the
//! traits; clients implement the same traits, so that no service notices. Knows how things are sent, not what they mean.

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
    /// Our own: batches, streams, acknowledgements.
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
    /// All of them, encoded, for the reflection service.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/contracts.bin"));
}

/// The largest message that is accepted, either way: a batch of large bodies fits, a mistake doesn't.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
