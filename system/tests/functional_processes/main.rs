//! The functional tests again, with one process for each service, over gRPC; and tests of several processes: each is killed in turn.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

/// How many partitions each topic has.
const PARTITIONS: u8 = 1;

mod buyers;
mod children;
mod deployment;
mod feed_goes_on;
mod killed_in_turn;
mod ledger;
mod stood_still;
mod strangers;

#[path = "../functional/asynchronous.rs"]
mod asynchronous;
#[path = "../functional/bad_input.rs"]
mod bad_input;
#[path = "../functional/consistency.rs"]
mod consistency;
#[path = "../functional/customer.rs"]
mod customer;
#[path = "../functional/delivered_again.rs"]
mod delivered_again;
#[path = "../functional/endpoints.rs"]
mod endpoints;
#[path = "../functional/feed.rs"]
mod feed;
#[path = "../functional/foreign_service.rs"]
#[allow(dead_code, reason = "the tests of interruptions need more of it")]
mod foreign_service;
#[path = "../functional/held_shop.rs"]
mod held_shop;
#[path = "../functional/keys.rs"]
mod keys;
#[path = "../functional/mails.rs"]
mod mails;
#[path = "../functional/orders.rs"]
mod orders;
#[path = "../functional/place.rs"]
mod place;
#[path = "../functional/recovery.rs"]
mod recovery;
#[path = "../functional/repeated_events.rs"]
mod repeated_events;
#[path = "../functional/rollback.rs"]
mod rollback;
#[path = "../functional/sagas.rs"]
mod sagas;
#[path = "../functional/sampled.rs"]
mod sampled;
#[path = "../functional/shop.rs"]
mod shop;
#[path = "../functional/versions.rs"]
mod versions;
