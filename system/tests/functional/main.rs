//! Functional tests: the whole system on a real Redis, through its HTTP server. Each test has a port, a Redis and a folder of its own.
//! Here the system is one process; `functional_processes` runs the same tests with a process a service.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

/// How many partitions each topic has.
const PARTITIONS: u8 = 1;

mod archive;
mod asynchronous;
mod bad_input;
mod consistency;
mod customer;
mod dead_letters;
mod delivered_again;
mod deployment;
mod endpoints;
mod entity_places;
mod feed;
#[allow(dead_code, reason = "the tests of interruptions need more of it")]
mod foreign_service;
mod held_shop;
mod keys;
mod late_redis;
mod mails;
mod orders;
mod page;
mod place;
mod processes;
mod read_model_at_fault;
mod recovery;
mod repeated_events;
mod rollback;
mod sagas;
mod sampled;
mod shop;
mod versions;
