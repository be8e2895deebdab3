//! The sections of a report. Plain data; times are microseconds unless the name says otherwise.

use serde::{Deserialize, Serialize};

use crate::verdict::VerdictResult;

/// A distribution's statistics, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are the field's own
pub struct Quantiles {
    pub count: u64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// Where a run took place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the names say it
pub struct Environment {
    pub target: String,
    /// Whether this run started the target itself.
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

/// What was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkloadSummary {
    /// `open`, `closed` or `trace`.
    pub kind: String,
    /// In words.
    pub description: String,
    /// Journeys a second asked for, on average; none for a closed workload.
    pub rate: Option<f64>,
    /// How long journeys are started.
    pub duration_s: f64,
    /// Not recorded at the beginning.
    pub warm_up_s: f64,
    /// An open workload's stages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageSummary>,
}

/// A stretch of an open workload in which the rate goes evenly from one to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageSummary {
    /// Its length.
    pub duration_s: f64,
    /// Journeys a second at its beginning.
    pub from_per_s: f64,
    /// Journeys a second at its end.
    pub to_per_s: f64,
}

/// A time in which the rate was held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HoldReport {
    /// In seconds after the start of the run.
    pub from_s: f64,
    /// Likewise; the last arrival's time for a hold that nobody ended.
    pub until_s: f64,
    /// Journeys a second in it.
    pub rate_per_s: f64,
}

/// One of several generators of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MergedPart {
    /// The folder's name.
    pub folder: String,
    /// Unix time in seconds.
    pub started_at: f64,
    /// What it drove.
    pub target: String,
    /// Requests that it tried.
    pub requests: u64,
    /// Its own verdict.
    pub verdict: VerdictResult,
}

/// A step's figures.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are the field's own
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

/// All steps together.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are the field's own
pub struct AllSteps {
    pub count: u64,
    pub errors: u64,
    pub per_s: f64,
    pub response_time_us: Quantiles,
    pub service_time_us: Quantiles,
}

/// What became of journeys.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are the field's own
pub struct JourneyReport {
    pub started: u64,
    pub completed: u64,
    pub failed: u64,
    pub skipped: u64,
    pub dropped: u64,
    pub unsent: u64,
    /// Completed, a second of `duration_s`.
    pub per_s: f64,
}

/// Intended start → visible in the read model.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are the field's own
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
    /// Its distribution.
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
    /// Its distribution.
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

/// Handling done − published; each figure is the upper bound of its bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are the field's own
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
    /// Entries not yet handled when the drain was over.
    pub backlog_end: u64,
}

/// After the last arrival.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Drain {
    /// Until the last journey had ended.
    pub journeys_s: f64,
    /// From then until the target's backlog was 0, or the limit.
    pub backlog_s: f64,
    /// All groups together; none where the target does not say.
    pub backlog_end: Option<u64>,
}

/// The generator itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Generator {
    /// Of one core, the busiest driver's thread, while journeys were started and drained.
    pub cpu_pct: f64,
    /// The same of each driver.
    #[serde(default)]
    pub drivers_cpu_pct: Vec<f64>,
    /// How much of the time a driver was ready to run while others ran, of the one that waited longest.
    #[serde(default)]
    pub cpu_wait_pct: f64,
    /// How late the drivers' event loops came round.
    #[serde(default)]
    pub loop_lateness_us: Quantiles,
    /// The largest jump of the wall clock against the monotonic one.
    #[serde(default)]
    pub clock_jump_ms: f64,
    /// Requests that failed because this machine had no descriptor, port or memory left.
    #[serde(default)]
    pub own_errors: u64,
    /// Of one core, the whole process.
    pub process_cpu_pct: f64,
    /// Actual − intended start of journeys.
    pub schedule_slip_us: Quantiles,
    /// How often the live feed broke and was opened again.
    pub feed_reconnects: u64,
}

/// An error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)] // the names say it
pub struct ErrorReport {
    pub step: String,
    pub kind: String,
    pub count: u64,
    pub examples: Vec<String>,
}

/// What had to hold, and whether it did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ThresholdReport {
    /// As written in the scenario.
    pub threshold: String,
    /// The figure; none without samples.
    pub figure: Option<f64>,
    /// Whether it held.
    pub passed: bool,
    /// The figure in words, of which window it is, or why there is none.
    #[serde(default)]
    pub reason: String,
}
