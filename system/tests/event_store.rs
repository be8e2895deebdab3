//! The event store's contract on a real Redis: one server a test.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

#[path = "event_store/ahead.rs"]
mod ahead;
#[path = "event_store/append.rs"]
mod append;
#[path = "event_store/cut_line.rs"]
mod cut_line;
#[path = "event_store/failure.rs"]
mod failure;
#[path = "event_store/stage.rs"]
mod stage;
#[path = "event_store/subscribe.rs"]
mod subscribe;
