//! Functional tests: the whole system on a real Redis, through its HTTP server. Each test has a port, a Redis and a folder of its own.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod asynchronous;
mod bad_input;
mod consistency;
mod endpoints;
mod feed;
mod mails;
mod page;
mod processes;
mod recovery;
mod sagas;
mod shop;
