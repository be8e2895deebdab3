//! Recorded orders: their mapping, and the plan of a replay, by the crate's public interface.
#![allow(clippy::unwrap_used)] // in tests a panic is the report

mod mapping;
mod plan;
mod real_export;
