//! Carries journeys out: a driver is one thread with its own runtime, connections, feed and recorder; a fleet of drivers shares a
//! run's load. Starts arrivals at their given times; must not know how the times were made, nor what a report
//! looks like.

mod answer;
mod assignment;
mod body;
mod clients;
mod closed;
mod context;
mod driver;
mod event;
mod fleet;
mod journey;
mod json_answer;
mod notes;
mod open;
mod pacing;
mod pauses;
mod request;
mod self_watch;
mod set_up;
mod shared_values;
mod step_error;

pub use assignment::{Assignment, Load};
pub use clients::Targets;
pub use event::{Driven, DriverEvent, DriverHealth, Finished, Interval, Refusal};
pub use fleet::{DRIVER, spawn, tear_down};
