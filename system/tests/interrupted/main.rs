//! A shop that is interrupted between two effects: killed or stopped at each failpoint, or started on an append-only file that ends after any of
//! its transactions. Each time it goes on, `loadgen audit` passes, and what was answered is there.
//! Needs the cargo feature `failpoints`.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod aof;
mod audit;
#[path = "../../../testing/built_program.rs"]
mod built_program;
mod buyers;
#[path = "../functional/customer.rs"]
#[allow(dead_code, reason = "shared with other tests, which need more of it")]
mod customer;
mod cut;
mod kill;
mod pause;
mod process;
mod stage;
mod walk;
