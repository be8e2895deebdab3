//! The functional tests again, with four partitions a topic on a cluster, and tests of partitions. Those that look into a topic's only stream, or
//! write to it as a foreign service, are not among them.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

/// How many partitions each topic has.
const PARTITIONS: u8 = 4;

mod place;
mod spread;

#[path = "../functional/asynchronous.rs"]
mod asynchronous;
#[path = "../functional/bad_input.rs"]
mod bad_input;
#[path = "../../redis/tests/cluster/cluster_server.rs"]
#[allow(dead_code, reason = "other suites need the rest of it")]
mod cluster_server;
#[path = "../functional/consistency.rs"]
mod consistency;
#[path = "../functional/customer.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod customer;
#[path = "../functional/dead_letters.rs"]
mod dead_letters;
#[path = "../functional/deployment.rs"]
mod deployment;
#[path = "../functional/endpoints.rs"]
mod endpoints;
#[path = "../functional/entity_places.rs"]
mod entity_places;
#[path = "../functional/foreign_service.rs"]
#[allow(dead_code, reason = "it knows one partition")]
mod foreign_service;
#[path = "../functional/held_shop.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod held_shop;
#[path = "../functional/keys.rs"]
mod keys;
#[path = "../functional/late_redis.rs"]
mod late_redis;
#[path = "../functional/mails.rs"]
mod mails;
#[path = "../functional/orders.rs"]
mod orders;
#[path = "../functional/page.rs"]
mod page;
#[path = "../functional/processes.rs"]
mod processes;
#[path = "../functional/recovery.rs"]
mod recovery;
#[path = "../../redis/tests/foreign/redis_server.rs"]
#[allow(dead_code, reason = "other suites need the rest of it")]
mod redis_server;
#[path = "../functional/sagas.rs"]
mod sagas;
#[path = "../functional/sampled.rs"]
mod sampled;
#[path = "../functional/shop.rs"]
mod shop;
#[path = "../functional/versions.rs"]
mod versions;
