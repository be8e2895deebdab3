//! What is shown of a run while it is under way: on a screen, as lines, as JSON, to monitoring systems.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod hold;
mod json;
mod layout;
mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
#[path = "../support/program.rs"]
mod support;
#[cfg(target_os = "linux")]
mod terminal;
