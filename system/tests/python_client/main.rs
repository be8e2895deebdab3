//! The first OrderShop's contracts from another language: clients and services in Python, generated from the .proto files only, in separate
//! processes. If Python has no gRPC, each test prints that it was skipped.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checkout;
mod contract;
#[path = "../functional/customer.rs"]
#[allow(dead_code, reason = "shared with other tests, which need more of it")]
mod customer;
#[path = "../grpc_server/program.rs"]
#[allow(dead_code, reason = "shared with other tests, which need more of it")]
mod program;
mod python;
