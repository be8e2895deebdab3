//! Scenarios: workload, set-up, feeders, journeys and thresholds, read from TOML and checked as a whole; and recorded orders, planned as
//! journeys. The first stage; it must not know how a scenario is carried out.

#![allow(clippy::result_large_err)] // an error here ends the program: its size costs nothing

pub mod answer;
pub mod as_written;
pub mod body;
pub mod catalog;
mod changes;
mod compile;
pub mod condition;
mod csv_quotes;
mod diagnostic;
pub mod duration;
pub mod equality;
pub mod expression;
pub mod fault;
pub mod feeder;
mod file;
mod filter;
mod fingerprint;
mod limits;
mod overrides;
pub mod pattern;
pub mod recorded;
mod requests;
mod scenario;
pub mod schema;
pub mod secrets;
pub mod share;
mod sources;
mod spelling;
pub mod starter;
mod step;
pub mod summary;
pub mod template;
mod text_file;
pub mod think_time;
pub mod threshold;
mod toml_json;
pub mod trace;
mod transport;
mod vars;
mod workload;

pub use changes::{Named, Overrides};
pub use compile::read;
pub use diagnostic::ScenarioError;
pub use file::{AtEnd, Durability, Encoding, Http, Method, Pick, Protocol};
pub use filter::base64_decoded;
pub use limits::Limits;
pub use scenario::{Feeder, FeederSource, NamedTarget, Scenario, SetupStep};
pub use sources::Sources;
pub use step::{Action, Await, Expect, Journey, KeySource, Loop, Memory, RequestTemplate, Step};
pub use think_time::ThinkTime;
pub use workload::{Stage, Workload, WorkloadKind};
