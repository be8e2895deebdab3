//! The gRPC servers as processes: requests that they refuse, clients that they accept, their health, and how they stop.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod authority;
mod drain;
mod flags;
mod program;
mod reports;
mod security;
mod socket_file;
