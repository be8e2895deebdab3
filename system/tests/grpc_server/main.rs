//! The gRPC servers as processes: what they refuse, whom they let in, what they say of their health, how they stop.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod authority;
mod drain;
mod flags;
mod program;
mod reports;
mod security;
mod socket_file;
