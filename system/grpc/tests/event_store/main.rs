//! The event store's contract over gRPC: the same tests, and streams that break, violate the contract or end.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

#[path = "../../../redis/tests/event_store/ahead.rs"]
mod ahead;
#[path = "../../../redis/tests/event_store/append.rs"]
mod append;
#[path = "../../../redis/tests/event_store/applied.rs"]
mod applied;
mod breaking;
mod misuse;
#[path = "../../../redis/tests/event_store/projection.rs"]
mod projection;
#[path = "../../../redis/tests/event_store/stage.rs"]
#[allow(dead_code, reason = "the tests of a store without gRPC use more of it")]
mod redis_stage;
#[path = "../hosting/served.rs"]
mod served;
mod stage;
#[path = "../../../redis/tests/event_store/subscribe.rs"]
mod subscribe;
