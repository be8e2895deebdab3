//! The latency budget: where the time of a journey goes. A few sampled journeys are followed from the intended start until their states are
//! visible, and every request and awaited state is split into parts that follow each other and add up to the whole. Time without
//! an explanation is a part too, `unexplained`, and is never hidden. Must not know reports.
//!
//! The generator measures its own times; the target may report the others: durations in `Server-Timing`, times in events
//! on a feed of sampled requests. All times are wall-clock microseconds. Within a process durations are exact;
//! a part between two processes is off by the difference of their clocks. On several machines it may be negative, and is shown so.

pub mod chain;
pub mod critical_path;
pub mod figures;
pub mod following;
pub mod journey_trace;
pub mod parts;
mod sample;
mod server_timing;
mod target_times;

pub use sample::{JourneySample, Sampler};
