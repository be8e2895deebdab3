//! The message queue on a real Redis: one server a test.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "message_queue/calls.rs"]
mod calls;
#[path = "message_queue/interruption.rs"]
mod interruption;
#[path = "message_queue/redelivery.rs"]
mod redelivery;
#[path = "message_queue/stage.rs"]
mod stage;
