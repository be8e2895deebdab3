//! A shop that is interrupted between two effects: killed or stopped at each failpoint, or started on an append-only file that ends after any of
//! its transactions; one whose Redis comes back without its last transactions; and one whose clock, or its Redis's, is set back. Each time it goes on, `loadgen audit` passes, and what was answered is
//! there. Needs the cargo feature `failpoints`.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod aof;
mod archived;
mod audit;
mod backed_up;
#[path = "../../../testing/built_program.rs"]
mod built_program;
mod buyers;
#[path = "../../../testing/clock.rs"]
mod clock;
mod clock_set_back;
#[path = "../functional/customer.rs"]
#[allow(dead_code, reason = "shared with other tests, which need more of it")]
mod customer;
mod cut;
#[path = "../functional/foreign_service.rs"]
#[allow(dead_code, reason = "the tests of repeated events need more of it")]
mod foreign_service;
mod kill;
mod pause;
mod process;
#[path = "../../redis/tests/foreign/redis_server.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod redis_server;
mod rollback;
mod sold;
mod stage;
mod walk;
