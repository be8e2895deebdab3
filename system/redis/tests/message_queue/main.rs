//! The message queue on a real Redis: one server a test.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls;
mod interruption;
mod redelivery;
mod stage;
mod steps;
