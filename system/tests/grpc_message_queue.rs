//! The message queue over gRPC, on a real Redis: calls, workers, and streams that break, violate the contract or end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "grpc_message_queue/breaking.rs"]
mod breaking;
#[path = "grpc_message_queue/contract.rs"]
mod contract;
#[path = "grpc_message_queue/misuse.rs"]
mod misuse;
#[path = "grpc/served.rs"]
mod served;
#[path = "grpc_message_queue/stage.rs"]
mod stage;
