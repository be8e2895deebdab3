//! The contracts of the first OrderShop as its clients see them: clients generated from the .proto files, over TCP, on a real Redis.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod events;
mod groups;
mod requests;
mod served;
mod server;
