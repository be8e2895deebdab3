//! The report of a run, as written to `report.json`; the field `schema` is its version. The report is built from recorded figures
//! and must not know how it is shown.

mod build;
mod faults;
pub mod folder;
pub mod growth;
pub mod latency_budget;
mod merge;
pub mod neighbours;
mod replay;
pub mod resources;
mod sample;
mod standing;
mod verdict;
mod windows;
mod workload;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::AuditReport;
use crate::record::series::{self, Series};

pub use build::{Evidence, build};
pub use faults::{FaultReport, faults};
pub use latency_budget::LatencyBudget;
pub(crate) use merge::figure_of;
pub use merge::{MergeError, merge};
pub use replay::{ReplayFacts, ReplayLines, ReplayReport};
pub use resources::{Reading, Resources};
pub use standing::SoFar;
pub use windows::Windows;

/// The version that this program writes and reads.
pub const SCHEMA: &str = "loadgen-report/1";

/// A finished run. Times are microseconds unless the name says otherwise.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Always `loadgen-report/1`.
    pub schema: Schema,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's description.
    #[serde(default)]
    pub description: String,
    /// The scenario's parameters as used in this run, by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The seed of all random choices.
    pub seed: u64,
    /// Unix time in seconds.
    pub started_at: f64,
    /// The machine and the target.
    pub environment: Environment,
    /// The workload that was asked for.
    pub workload: WorkloadSummary,
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
    /// CPU of the system and its child processes in percent of one core, if this run started the system.
    pub system_cpu_pct: Option<f64>,
    /// What one journey costs the target, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
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
    /// PASS, FAIL or INVALID, with reasons.
    pub verdict: Verdict,
}

/// The schema's name and version; reading any other is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schema;

impl TryFrom<String> for Schema {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == SCHEMA {
            Ok(Self)
        } else {
            Err(format!(
                "the schema is `{text}`; this program reads {SCHEMA}"
            ))
        }
    }
}

impl From<Schema> for String {
    fn from(_: Schema) -> Self {
        SCHEMA.to_owned()
    }
}

/// Statistics of a distribution, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are standard terms
pub struct Quantiles {
    pub count: u64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// The machine and the target of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the names say it
pub struct Environment {
    pub target: String,
    /// Whether this run started the target.
    pub target_started: bool,
    pub cores: usize,
    pub os: String,
    pub arch: String,
    pub loadgen_version: String,
    pub system_version: Option<String>,
    pub redis_version: Option<String>,
    pub redis_server: Option<String>,
    pub durability: Option<String>,
}

/// The workload that a run was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkloadSummary {
    /// `open`, `closed` or `trace`.
    pub kind: String,
    /// The workload in words.
    pub description: String,
    /// Average rate in journeys a second; `None` for a closed workload.
    pub rate: Option<f64>,
    /// How long journeys are started, in seconds.
    pub duration_s: f64,
    /// Seconds at the start that are not recorded.
    pub warm_up_s: f64,
    /// The stages of an open workload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageSummary>,
}

/// A stage of an open workload, in which the rate changes linearly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageSummary {
    /// Length in seconds.
    pub duration_s: f64,
    /// Journeys a second at the start of the stage.
    pub from_per_s: f64,
    /// Journeys a second at the end of the stage.
    pub to_per_s: f64,
}

/// A period in which the rate was held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HoldReport {
    /// Start of the hold, in seconds after the start of the run.
    pub from_s: f64,
    /// End of the hold, in the same seconds; the time of the last arrival if nobody ended the hold.
    pub until_s: f64,
    /// Journeys a second during the hold.
    pub rate_per_s: f64,
}

/// One of the runs that a merged report was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MergedPart {
    /// The folder's name.
    pub folder: String,
    /// Unix time in seconds.
    pub started_at: f64,
    /// The target's URL.
    pub target: String,
    /// Number of requests.
    pub requests: u64,
    /// The verdict of this run alone.
    pub verdict: VerdictResult,
}

/// The figures of one step.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are standard terms
pub struct StepReport {
    pub name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    pub count: u64,
    pub errors: u64,
    pub response_time_us: Quantiles,
    pub service_time_us: Quantiles,
    pub slip_us: Quantiles,
}

/// The figures of all steps together.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are standard terms
pub struct AllSteps {
    pub count: u64,
    pub errors: u64,
    pub per_s: f64,
    pub response_time_us: Quantiles,
    pub service_time_us: Quantiles,
}

/// Counts of journeys by outcome.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are standard terms
pub struct JourneyReport {
    pub started: u64,
    pub completed: u64,
    pub failed: u64,
    pub skipped: u64,
    pub dropped: u64,
    pub unsent: u64,
    /// Completed journeys divided by `duration_s`.
    pub per_s: f64,
}

/// End-to-end latency of an awaited state: from the intended start until the state is visible in the read model.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are standard terms
pub struct EndToEnd {
    pub name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    pub count: u64,
    pub timeouts: u64,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

impl EndToEnd {
    /// The statistics of its distribution.
    pub fn quantiles(&self) -> Quantiles {
        Quantiles {
            count: self.count,
            mean: self.mean_us,
            p50: self.p50_us,
            p90: self.p90_us,
            p99: self.p99_us,
            p999: self.p999_us,
            max: self.max_us,
        }
    }
}

impl EventLag {
    /// The statistics of its distribution.
    pub fn quantiles(&self) -> Quantiles {
        Quantiles {
            count: self.count,
            mean: self.mean_us,
            p50: self.p50_us,
            p90: self.p90_us,
            p99: self.p99_us,
            p999: self.p999_us,
            max: self.max_us,
        }
    }
}

/// Event lag of a consumer group: from publication to the end of handling. Each figure is the upper bound of its histogram bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are standard terms
pub struct EventLag {
    pub group: String,
    pub topic: String,
    pub count: u64,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
    /// Entries that were not yet handled at the end of the drain.
    pub backlog_end: u64,
}

/// The time after the last arrival.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Drain {
    /// Seconds until the last journey ended.
    pub journeys_s: f64,
    /// Seconds from then until the target's backlog was 0 or the time limit was reached.
    pub backlog_s: f64,
    /// Backlog of all groups at the end of the drain; `None` if the target does not expose it.
    pub backlog_end: Option<u64>,
}

/// How well the generator kept up.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Generator {
    /// CPU of the busiest driver's thread in percent of one core, from the first journey to the end of the last one.
    pub cpu_pct: f64,
    /// CPU of each driver's thread, in the same percent.
    #[serde(default)]
    pub drivers_cpu_pct: Vec<f64>,
    /// Share of the time in which a driver was ready to run but had no core, in percent; the driver that waited longest.
    #[serde(default)]
    pub cpu_wait_pct: f64,
    /// Lateness of the drivers' event loops.
    #[serde(default)]
    pub loop_lateness_us: Quantiles,
    /// The largest jump of the wall clock against the monotonic clock, in milliseconds.
    #[serde(default)]
    pub clock_jump_ms: f64,
    /// Requests that failed because this machine had no file descriptor, port or memory left.
    #[serde(default)]
    pub own_errors: u64,
    /// CPU of the whole process, in percent of one core.
    pub process_cpu_pct: f64,
    /// Schedule slip of journeys: actual − intended start.
    pub schedule_slip_us: Quantiles,
    /// How often the live feed broke and was reconnected.
    pub feed_reconnects: u64,
}

/// Errors of one kind in one step.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)] // the names say it
pub struct ErrorReport {
    pub step: String,
    pub kind: String,
    pub count: u64,
    pub examples: Vec<String>,
}

/// A threshold and whether it held.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ThresholdReport {
    /// The threshold as written in the scenario.
    pub threshold: String,
    /// The figure; `None` without samples. Times are microseconds, ratios 0 to 1.
    pub figure: Option<f64>,
    /// Whether the threshold held.
    pub passed: bool,
    /// The figure and its window in words, or why there is no figure.
    #[serde(default)]
    pub reason: String,
}

/// The verdict's three values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VerdictResult {
    /// Every threshold held and the audit found nothing.
    Pass,
    /// A threshold was missed or the audit found something.
    Fail,
    /// The figures say nothing about the target: the generator could not keep up, or nothing was measured.
    Invalid,
}

/// The verdict and its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// PASS, FAIL or INVALID.
    pub result: VerdictResult,
    /// The reasons of a verdict other than PASS.
    pub reasons: Vec<String>,
}

impl VerdictResult {
    /// The program's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Invalid => 3,
        }
    }

    /// The verdict as printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Invalid => "INVALID",
        }
    }
}
