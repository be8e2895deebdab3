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
mod merging;
mod notes;
mod open;
mod pacing;
mod pauses;
mod preparation;
mod request;
mod self_watch;
mod set_up;
mod shared_values;
mod step_error;

pub use assignment::{Assignment, Load, Variables};
pub use clients::Targets;
pub use driver::runtime;
pub use event::{AgentFinished, Driven, DriverEvent, DriverHealth, Finished, Interval, Refusal};
pub use fleet::{DRIVER, spawn};
pub use merging::Merging;
pub use preparation::{Preparation, Prepared, tear_down};
