//! The read model on a real Redis, asked over the queue.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod facts;
mod late_line;
mod late_redis;
mod order_report;
mod overlay;
mod rollback;
mod stage;
mod standby;
mod topic_behind;
