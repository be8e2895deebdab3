//! The scenario's TOML file: its keys, their types and defaults. These types decide what is allowed (unknown keys are
//! refused), and the JSON schema for editors is made from them, with these comments as descriptions. `compile` checks
//! whether the parts fit together.

mod answer;
mod body;
mod fault;
mod http;
mod preparation;
mod step;
mod value;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

pub use answer::{ExtractFile, ExtractTable, HeaderCheckFile};
pub use body::{AuthFile, PartFile, SentFile, SentFileTable};
pub use fault::{ChaosFile, FaultFile, NetworkFile};
pub use http::{Encoding, Http, Protocol};
pub use preparation::{AtEnd, FeederFile, Pick, SetupFile};
pub use step::{AwaitFile, ExpectFile, JourneyFile, Method, RememberFile, RequestFile, StepFile};
pub use value::{Texts, ThinkFile};

use super::think_time::ThinkTime;
use super::threshold::Threshold;
use crate::duration::HumanDuration;
use crate::limits::Limits;
use crate::trace::TraceConfig;

/// A scenario for `loadgen run`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioFile {
    /// The scenario's name, as reports show it.
    #[serde(deserialize_with = "value::name")]
    #[schemars(length(min = 1))]
    pub name: String,
    /// What the scenario does, in a sentence or two.
    pub description: String,
    /// Whether the target is audited after the run; by default, if any request may change its state.
    pub audit: Option<bool>,
    /// What must hold for the run to pass, as in `p(99) < 20ms` or `error_rate < 0.1%`.
    #[serde(default)]
    pub thresholds: Vec<Threshold>,
    /// Variables that every template sees; `--set NAME=VALUE` changes them.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub parameters: toml::Table,
    /// Further targets by name: `http://` or `https://` URLs. A step says `target = "NAME"`; `--target NAME=URL` changes one.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub targets: BTreeMap<String, Spanned<String>>,
    /// How journeys arrive.
    #[schemars(with = "Option<WorkloadFile>")]
    pub workload: Option<Spanned<WorkloadFile>>,
    /// Several workloads at once, instead of `workload`: each with a name, its own rate or users, and its own journeys.
    #[serde(default)]
    #[schemars(with = "Vec<WorkloadFile>")]
    pub workloads: Vec<Spanned<WorkloadFile>>,
    /// Limits of the run; each has a default.
    #[schemars(with = "Option<Limits>")]
    pub limits: Option<Spanned<Limits>>,
    /// How customers speak HTTP; each key has a default.
    #[schemars(with = "Option<Http>")]
    pub http: Option<Spanned<Http>>,
    /// Requests before the workload, one step after the other; the first that fails ends the run.
    #[serde(default)]
    #[schemars(with = "Vec<SetupFile>")]
    pub setup: Vec<Spanned<SetupFile>>,
    /// Requests after the workload, also after Ctrl-C; a failure is only a warning.
    #[serde(default)]
    #[schemars(with = "Vec<SetupFile>")]
    pub teardown: Vec<Spanned<SetupFile>>,
    /// Sources of values, drawn once per journey.
    #[serde(default)]
    #[schemars(with = "Vec<FeederFile>")]
    pub feeders: Vec<Spanned<FeederFile>>,
    /// The durability of the system that `loadgen run` starts for it (everysec); `--durability` changes it.
    pub durability: Option<Durability>,
    /// What goes wrong on purpose while the workload runs.
    #[serde(default)]
    #[schemars(with = "Vec<FaultFile>")]
    pub faults: Vec<Spanned<FaultFile>>,
    /// Faults that are drawn by lot from the run's `--seed`.
    #[schemars(with = "Option<ChaosFile>")]
    pub chaos: Option<Spanned<ChaosFile>>,
    /// The mix of journeys.
    #[schemars(with = "Vec<JourneyFile>")]
    pub journeys: Vec<Spanned<JourneyFile>>,
    /// How to read a recorded trace, for `kind = "trace"`.
    #[schemars(with = "Option<TraceConfig>")]
    pub trace: Option<Spanned<TraceConfig>>,
}

/// What of an answered write outlives the system's Redis, or its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Nothing.
    None,
    /// All but about the last second, two where the disk is slow.
    Everysec,
    /// Everything.
    Always,
}

impl Durability {
    /// Its name on command lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Everysec => "everysec",
            Self::Always => "always",
        }
    }
}

/// Open: arrivals at a rate, whatever the target does. Closed: users who wait for their answers. Trace: recorded arrivals.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkloadKindFile {
    Open,
    Closed,
    Trace,
}

/// How journeys arrive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadFile {
    /// `[[workloads]]`: its name, for reports and thresholds.
    #[serde(default, deserialize_with = "value::optional_name")]
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// `[[workloads]]`: the journeys it runs, each with its weight in the mix.
    pub journeys: Option<BTreeMap<String, f64>>,
    /// `[[workloads]]`: when it starts, from the start of the run (0s).
    pub start_after: Option<HumanDuration>,
    /// Open, closed or recorded.
    pub kind: WorkloadKindFile,
    /// Open: journeys a second, with `duration`.
    pub rate: Option<f64>,
    /// How long journeys are started, in seconds.
    pub duration: Option<HumanDuration>,
    /// Ramps, holds and spikes, one after the other, instead of `rate` (closed: `users`) and `duration`.
    pub stages: Option<Vec<StageFile>>,
    /// Closed: how many users at once.
    pub users: Option<usize>,
    /// Closed: the pause between one user's journeys.
    pub think_time: Option<ThinkTime>,
    /// The time at its start in which nothing is recorded; less than the workload's length.
    pub warm_up: Option<HumanDuration>,
    /// Open: evenly spaced (default), or at random times.
    pub arrivals: Option<ArrivalsKind>,
    /// Whether requests carry the W3C header `traceparent`, which names their journey (true).
    pub traceparent: Option<bool>,
    /// Whether each POST carries the header `Idempotency-Key` with a new key, set-up's too (false). A request that is repeated (`retry`) has
    /// the same key again.
    pub idempotency_keys: Option<bool>,
}

/// How arrivals are spaced.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ArrivalsKind {
    /// Evenly spaced.
    Even,
    /// At random times, independent of each other (a Poisson process).
    Poisson,
}

/// A stage: a hold or a ramp, of the rate (open) or of the number of users (closed).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageFile {
    /// The stage's length.
    pub duration: HumanDuration,
    /// Hold: a constant rate, in journeys a second.
    pub rate: Option<f64>,
    /// Hold: a constant number of users, in a closed workload.
    pub users: Option<usize>,
    /// Ramp: the rate (or number of users) at its start; by default that at which the stage before ended (0 for the first).
    pub from: Option<f64>,
    /// Ramp: the rate (or number of users) at its end.
    pub to: Option<f64>,
}
