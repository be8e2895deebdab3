//! The report of a run, as it is written to `report.json`: its shape is versioned by `schema`. Built from what was recorded;
//! must not know how it is shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::AuditReport;
use crate::faults::FaultReport;
use crate::latency_budget::LatencyBudget;
use crate::replay::ReplayReport;
use crate::resources::Resources;
use crate::sections::{
    AllSteps, Drain, EndToEnd, Environment, ErrorReport, EventLag, Generator, HoldReport,
    JourneyReport, MergedPart, Quantiles, StepReport, ThresholdReport, WorkloadSummary,
};
use crate::verdict::Verdict;
use loadgen_engine::record::series::{self, Series};

/// The present shape.
pub const SCHEMA: &str = "loadgen-report/1";

/// A finished run. Times are microseconds unless the name says otherwise.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// `loadgen-report/1`.
    pub schema: Schema,
    /// The scenario's name.
    pub scenario: String,
    /// Its story.
    #[serde(default)]
    pub description: String,
    /// Its parameters as they were used, by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// What choices were made from.
    pub seed: u64,
    /// Unix time in seconds.
    pub started_at: f64,
    /// Where it ran.
    pub environment: Environment,
    /// What was asked.
    pub workload: WorkloadSummary,
    /// From the end of the warm-up until the last journey had ended.
    pub duration_s: f64,
    /// Requests, by step.
    pub steps: Vec<StepReport>,
    /// All steps together.
    pub all_steps: AllSteps,
    /// Journeys.
    pub journeys: JourneyReport,
    /// Awaited states.
    pub end_to_end: Vec<EndToEnd>,
    /// Where the time of the sampled journeys went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_budget: Option<LatencyBudget>,
    /// Consumer groups, by topic.
    pub event_lag: Vec<EventLag>,
    /// All consumer groups together.
    pub event_lag_all: Quantiles,
    /// Waiting until nothing was left to handle.
    pub drain: Drain,
    /// The generator itself.
    pub generator: Generator,
    /// CPU of the system and what it started, in percent of one core, where it was started by this run.
    pub system_cpu_pct: Option<f64>,
    /// What a journey cost the target, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// By place and kind, most frequent first.
    pub errors: Vec<ErrorReport>,
    /// What had to hold.
    pub thresholds: Vec<ThresholdReport>,
    /// What a plan could not carry out, by reason, before the run and in it.
    pub skipped: BTreeMap<String, u64>,
    /// A replay's invoices, for that workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayReport>,
    /// What an audit of the target has found, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditReport>,
    /// What went wrong on purpose, in the order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultReport>,
    /// The run's course, on one line.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "series::on_one_line"
    )]
    pub series: Option<Series>,
    /// When somebody held the rate: from then on the workload was not the scenario's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HoldReport>,
    /// The runs that this report was put together from, if it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged_from: Vec<MergedPart>,
    /// What people should know.
    pub warnings: Vec<String>,
    /// The verdict.
    pub verdict: Verdict,
}

/// The shape's name; reading another one is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schema;

impl TryFrom<String> for Schema {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == SCHEMA {
            Ok(Self)
        } else {
            Err(format!("schema `{text}`; this program reads {SCHEMA}"))
        }
    }
}

impl From<Schema> for String {
    fn from(_: Schema) -> Self {
        SCHEMA.to_owned()
    }
}
