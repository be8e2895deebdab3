//! The message queue on a real Redis: one server a test.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls;
mod cost;
mod dead_letters;
mod deadlines;
mod interruption;
mod outcomes;
mod redelivery;
mod stage;
mod steps;
