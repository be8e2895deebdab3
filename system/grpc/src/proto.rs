//! The generated contracts.
#![allow(
    missing_docs,
    nonstandard_style,
    clippy::all,
    clippy::pedantic,
    reason = "generated; the contracts themselves are commented"
)]

/// OrderShop's own contracts: batches, streams, acknowledgements.
pub mod ordershop {
    tonic::include_proto!("ordershop.v1");
}

/// All contracts, encoded, for the reflection service.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/contracts.bin"));
