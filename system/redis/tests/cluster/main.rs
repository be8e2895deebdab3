//! Both traits on a Redis Cluster, while slots move and masters die.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod applied;
#[allow(dead_code, reason = "another suite needs the rest of it")]
mod cluster_server;
mod event_store;
mod message_queue;
mod refused;

#[path = "../message_queue/stage.rs"]
#[allow(dead_code, reason = "another suite needs the rest of it")]
mod queue_stage;
#[path = "../foreign/redis_server.rs"]
#[allow(dead_code, reason = "another suite needs the rest of it")]
mod redis_server;
#[path = "../event_store/stage.rs"]
#[allow(dead_code, reason = "another suite needs the rest of it")]
mod stage;
