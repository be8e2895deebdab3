//! What only OrderShop has: how it is started, what its processes and its metrics are called, what its requests and answers mean,
//! what its history has to look like. The only part of loadgen that knows it.

pub mod audit;
mod meanings;
mod metrics;
mod order_shop;
mod processes;
pub mod system_process;

pub use metrics::{path as metrics_path, scrape};
pub use order_shop::OrderShop;
