//! The generated contracts.
#![allow(
    missing_docs,
    nonstandard_style,
    clippy::all,
    clippy::pedantic,
    reason = "generated; the contracts themselves are commented"
)]

/// The first OrderShop's event store.
pub mod eventstore {
    tonic::include_proto!("eventstore");
}

/// The first OrderShop's message queue.
pub mod messagequeue {
    tonic::include_proto!("messagequeue");
}

/// Both, encoded, for the reflection service.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/contracts.bin"));
