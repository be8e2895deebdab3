//! The sections of a report. Plain data; times are microseconds unless the name says otherwise.

use serde::{Deserialize, Serialize};

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

/// The workload that a run was asked for, or all its workloads together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct WorkloadSummary {
    /// `open`, `closed` or `trace`; `mixed` if workloads of a run are of several kinds.
    pub kind: String,
    /// The workload in words.
    pub description: String,
    /// Average rate from the end of the warm-up, in journeys a second; `None` if a workload is closed.
    pub rate: Option<f64>,
    /// How long journeys are started, in seconds.
    pub duration_s: f64,
    /// Seconds at the start that are not recorded.
    pub warm_up_s: f64,
    /// The stages of an open workload; none of several workloads together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageSummary>,
}

/// What one of several workloads was asked, and what it did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkloadReport {
    /// Its name.
    pub name: String,
    /// When it started, in seconds after the start of the run.
    pub start_after_s: f64,
    /// What was asked, from its own start.
    pub asked: WorkloadSummary,
    /// Seconds from the end of its warm-up until its last journey ended.
    pub measured_s: f64,
    /// Counts of its journeys; their rate is over `measured_s`.
    pub journeys: JourneyReport,
    /// Of its requests answered as expected.
    pub response_time_us: Quantiles,
    /// Schedule slip of its journeys: actual − intended start.
    pub schedule_slip_us: Quantiles,
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
    /// Requests without an answer; among the errors.
    #[serde(default)]
    pub unanswered: u64,
    /// Of requests answered as expected.
    pub response_time_us: Quantiles,
    /// Of the same requests.
    pub service_time_us: Quantiles,
    /// Response time of requests whose answer was an error.
    #[serde(default)]
    pub failed_time_us: Quantiles,
    /// From the intended start until a request without an answer was given up.
    #[serde(default)]
    pub unanswered_time_us: Quantiles,
    pub slip_us: Quantiles,
}

/// The figures of all steps together.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are standard terms
pub struct AllSteps {
    pub count: u64,
    pub errors: u64,
    pub per_s: f64,
    /// Requests without an answer; among the errors.
    #[serde(default)]
    pub unanswered: u64,
    /// Of requests answered as expected.
    pub response_time_us: Quantiles,
    /// Of the same requests.
    pub service_time_us: Quantiles,
    /// Response time of requests whose answer was an error.
    #[serde(default)]
    pub failed_time_us: Quantiles,
    /// From the intended start until a request without an answer was given up.
    #[serde(default)]
    pub unanswered_time_us: Quantiles,
}

/// Counts of journeys by outcome.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are standard terms
pub struct JourneyReport {
    pub started: u64,
    pub completed: u64,
    pub failed: u64,
    /// Those of `failed` whose error neither a request nor an awaited state has counted: a loop's bound, a template, or the run's end.
    #[serde(default)]
    pub failed_elsewhere: u64,
    /// Skipped or overtaken.
    pub skipped: u64,
    /// Those of `skipped` that had done their part when another journey took over.
    #[serde(default)]
    pub overtaken: u64,
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
    /// Whether the threshold held: never, if it aborted the run.
    pub passed: bool,
    /// Whether nobody wrote it: the bound on failed journeys that every run has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_default: bool,
    /// When a miss aborted the run, in seconds from its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted_at_s: Option<f64>,
    /// The figure and its window in words, or why there is no figure.
    #[serde(default)]
    pub reason: String,
}

impl ThresholdReport {
    /// What the verdict says of a threshold that did not hold, with its figure; `None` if it held.
    pub fn missed(&self) -> Option<String> {
        let why = match self.by_default {
            true => {
                "; this is the default bound, which --max-error-rate or a threshold on errors replaces"
            }
            false => "",
        };
        (!self.passed).then(|| format!("{}: {}{why}", self.threshold, self.reason))
    }
}

/// The verdict's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VerdictResult {
    /// Every threshold held and the audit found nothing.
    Pass,
    /// A threshold was missed or the audit found something.
    Fail,
    /// The figures say nothing about the target: the generator could not keep up, or nothing was measured.
    Invalid,
    /// Somebody ended the run before its end: its figures are of a part of what was asked for.
    Interrupted,
}

impl VerdictResult {
    /// Whether its figures must not be compared: they are not of the run that was asked for, or not of the target.
    pub fn is_doubtful(self) -> bool {
        matches!(self, Self::Invalid | Self::Interrupted)
    }

    /// The program's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Invalid => 3,
            Self::Interrupted => 4,
        }
    }

    /// The verdict as printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Invalid => "INVALID",
            Self::Interrupted => "INTERRUPTED",
        }
    }
}
