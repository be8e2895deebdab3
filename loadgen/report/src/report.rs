//! The report of a run, as written to `report.json`; the field `schema` is its version. The report is built from recorded figures
//! and must not know how it is shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::agents::AgentReport;
use crate::audit::AuditReport;
use crate::environment::Environment;
use crate::faults::FaultReport;
use crate::http::HttpReport;
use crate::latency_budget::LatencyBudget;
use crate::profile::ProfileReport;
use crate::replay::ReplayReport;
use crate::resources::Resources;
use crate::sections::{
    AllSteps, Drain, EndToEnd, ErrorReport, EventLag, Generator, HoldReport, JourneyReport,
    MergedPart, Quantiles, StepReport, ThresholdReport, WorkloadReport, WorkloadSummary,
};
use crate::verdict::Verdict;
use loadgen_engine::record::series::{self, Series};

/// The present shape.
pub const REPORT_SCHEMA: &str = "loadgen-report/1";

/// A finished run. Times are microseconds unless the name says otherwise.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Always `loadgen-report/1`.
    pub schema: ReportSchema,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's description.
    #[serde(default)]
    pub description: String,
    /// The fingerprint of what the scenario asks for: requests, checks, waits, set-up, feeders, HTTP options; older reports don't have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The scenario's parameters as used in this run, by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The seed of all random choices.
    pub seed: u64,
    /// Unix time in seconds.
    pub started_at: f64,
    /// The machine and the target.
    pub environment: Environment,
    /// What was asked, of all workloads together.
    pub workload: WorkloadSummary,
    /// Each workload of `[[workloads]]`; empty for `[workload]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<WorkloadReport>,
    /// Seconds from the end of the warm-up until the last journey ended.
    pub duration_s: f64,
    /// The requests of each step.
    pub steps: Vec<StepReport>,
    /// All steps together.
    pub all_steps: AllSteps,
    /// Counts of journeys.
    pub journeys: JourneyReport,
    /// End-to-end latency of each awaited state.
    pub end_to_end: Vec<EndToEnd>,
    /// Where the time of the sampled journeys went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_budget: Option<LatencyBudget>,
    /// Event lag of each consumer group and topic.
    pub event_lag: Vec<EventLag>,
    /// Event lag of all consumer groups together.
    pub event_lag_all: Quantiles,
    /// The time after the last arrival until nothing was left to handle.
    pub drain: Drain,
    /// How well the generator kept up.
    pub generator: Generator,
    /// Each agent by itself; empty where the machine of this report drove the load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentReport>,
    /// Connections, bytes and redirects; older reports don't have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpReport>,
    /// CPU of the system and its child processes in percent of one core, if this run started the system.
    pub system_cpu_pct: Option<f64>,
    /// What one journey costs the target, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Where the CPU went, if it was sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileReport>,
    /// Errors by step and kind, the most frequent first.
    pub errors: Vec<ErrorReport>,
    /// The scenario's thresholds and their figures.
    pub thresholds: Vec<ThresholdReport>,
    /// Journeys that were skipped, before or during the run, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// The invoices of a replay, if the workload is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayReport>,
    /// The audit of the target, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditReport>,
    /// The scenario's faults, in the order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultReport>,
    /// The figures of each interval of the run, written on one line.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "series::on_one_line"
    )]
    pub series: Option<Series>,
    /// The times at which somebody held the rate, so that the workload was no longer the scenario's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HoldReport>,
    /// The runs that this report was merged from; empty for a single run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged_from: Vec<MergedPart>,
    /// Warnings for the reader of the report.
    pub warnings: Vec<String>,
    /// The verdict.
    pub verdict: Verdict,
}

/// The schema's name and version; reading any other is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReportSchema;

impl TryFrom<String> for ReportSchema {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == REPORT_SCHEMA {
            Ok(Self)
        } else {
            Err(format!(
                "schema `{text}`; this program reads {REPORT_SCHEMA}"
            ))
        }
    }
}

impl From<ReportSchema> for String {
    fn from(_: ReportSchema) -> Self {
        REPORT_SCHEMA.to_owned()
    }
}
