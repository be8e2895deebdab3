//! The read model on a real Redis, asked over the queue.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod facts;
mod late_line;
mod late_redis;
mod malformed;
mod order_report;
mod overlay;
mod position;
mod rollback;
mod stage;
mod standby;
mod topic_behind;
