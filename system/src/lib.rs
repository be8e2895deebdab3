//! OrderShop: an event-sourced e-commerce back end on Redis, as one process or many. Data flows one way:
//! `gateway → message_queue → services → event_store → read_model`, and back to the gateway only by messages.

pub mod app;
pub mod build;
pub mod config;
pub mod open_files;
pub mod telemetry;
pub mod terminal;
