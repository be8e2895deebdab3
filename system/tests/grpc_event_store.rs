//! The event store's contract over gRPC: the same tests, and streams that break, violate the contract or end.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

#[path = "event_store/append.rs"]
mod append;
#[path = "grpc_event_store/breaking.rs"]
mod breaking;
#[path = "grpc_event_store/misuse.rs"]
mod misuse;
#[path = "event_store/stage.rs"]
#[allow(dead_code, reason = "the tests of a store without gRPC use more of it")]
mod redis_stage;
#[path = "grpc/served.rs"]
mod served;
#[path = "grpc_event_store/stage.rs"]
mod stage;
#[path = "event_store/subscribe.rs"]
mod subscribe;
