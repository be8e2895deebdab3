//! OrderShop: an event-sourced e-commerce back end on Redis. Data flows one way:
//! `gateway → message_queue → services → event_store → read_model`, and back to the gateway only by messages.

pub mod app;
mod backoff;
pub mod clock;
pub mod config;
pub mod correlation;
pub mod event_lag;
pub mod event_store;
pub mod gateway;
pub mod grpc;
pub mod message_queue;
pub mod position;
pub mod queue_names;
pub mod read_model;
pub mod redis_connection;
pub mod redis_info;
pub mod redis_server;
pub mod sagas;
pub mod services;
pub mod telemetry;
pub mod topic;
pub mod wire;
