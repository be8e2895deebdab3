//! `ordershop up --processes`: which processes it starts and restarts, how they share the work, and that none is left behind.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod children;
mod endings;
mod gateway;
mod instances;
mod own_redis;
mod starting;
mod two_systems;
mod watching;

#[path = "../functional/customer.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod customer;
#[path = "../grpc_server/program.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod program;
#[path = "../../../testing/script.rs"]
mod script;
