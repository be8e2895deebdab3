//! The real binary on a Redis that somebody else configured, and what it shows of it: rights, certificates, secrets, failovers, memory.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod certificates;
mod data_folder;
mod failover;
mod full;
mod refusals;
mod replicas;
mod rights;
mod secrets;
mod sentinel;
mod shopping;

#[path = "../grpc_server/authority.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod authority;
#[path = "../functional/customer.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod customer;
#[path = "../cluster/customers.rs"]
mod customers;
#[path = "../grpc_server/program.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod program;
#[path = "../../redis/tests/foreign/redis_server.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod redis_server;
#[path = "../../redis/tests/foreign/sentinel_server.rs"]
mod sentinel_server;
