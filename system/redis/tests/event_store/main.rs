//! The event store's contract on a real Redis: one server a test.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod ahead;
mod append;
mod applied;
mod cut_line;
mod dead_letters;
mod durability;
mod failure;
mod forwarding;
mod projection;
mod rollback;
mod sharing;
mod stage;
mod subscribe;
