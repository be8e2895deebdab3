//! A Redis with replicas: what is answered only once they have it, what a dead master loses, and the sentinels that name the next one.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod acknowledged;
mod master_dies;
mod pair;
mod refused;
mod sentinels;
mod slow_line;

#[path = "../event_store/cut_line.rs"]
#[allow(dead_code, reason = "another suite needs the rest of it")]
mod cut_line;
#[path = "../foreign/redis_server.rs"]
#[allow(dead_code, reason = "another suite needs the rest of it")]
mod redis_server;
#[path = "../foreign/sentinel_server.rs"]
mod sentinel_server;
#[path = "../event_store/stage.rs"]
#[allow(dead_code, reason = "another suite needs the rest of it")]
mod stage;
