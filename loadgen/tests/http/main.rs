//! HTTP as servers and proxies speak it: each test is a server of its own on a raw socket, and what the client makes of it.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "../support/program.rs"]
mod support;

mod answers;
mod connections;
mod customers;
mod farewells;
mod multiplexed;
mod raw_server;
mod requests;
mod routes;
mod scenario;
mod unanswered;
