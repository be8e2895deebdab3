//! Tests the progress of a run: on a screen, as lines, as JSON, and for monitoring systems.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "../support/held.rs"]
mod held;
mod hold;
mod json;
mod layout;
mod manual;
mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(target_os = "linux")]
mod output;
mod pipeline;
#[path = "../support/program.rs"]
mod support;
#[cfg(target_os = "linux")]
mod terminal;
