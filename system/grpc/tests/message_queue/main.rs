//! The message queue over gRPC, on a real Redis: calls, workers, and streams that break, violate the contract or end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod breaking;
mod contract;
mod misuse;
#[path = "../hosting/served.rs"]
mod served;
mod stage;
