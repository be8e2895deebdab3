//! The real binary on a Redis Cluster: an order through the whole shop, while slots move and a master dies.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod customers;
mod faults;
mod refusals;

#[path = "../../redis/tests/cluster/cluster_server.rs"]
#[allow(dead_code, reason = "another suite needs the rest of it")]
mod cluster_server;
#[path = "../functional/customer.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod customer;
#[path = "../grpc_server/program.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod program;
#[path = "../../redis/tests/foreign/redis_server.rs"]
#[allow(dead_code, reason = "another suite needs the rest of it")]
mod redis_server;
#[path = "../foreign_redis/shopping.rs"]
#[allow(dead_code, reason = "another suite needs the rest of it")]
mod shopping;
