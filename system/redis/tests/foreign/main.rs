//! A Redis that somebody else configured: what is asked of it, what is said of it, and that nothing in it is changed.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

#[path = "../../../../testing/clock.rs"]
mod clock;
mod clock_set_back;
#[allow(dead_code, reason = "another suite needs the rest of it")]
mod redis_server;
mod requirements;
mod settings;
