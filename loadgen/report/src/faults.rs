//! What went wrong on purpose, and what it did to response time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use loadgen_engine::fault::{FaultOutcome, Recovery};

/// A fault as it was carried out. Times are seconds from the start of the workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultReport {
    /// In words.
    pub what: String,
    /// When it began.
    pub at_s: f64,
    /// When it was over: the process went on, or was there again; the command had ended.
    pub until_s: f64,
    /// The response time's 99th percentile of a second counts as before the fault up to here: the highest of the seconds before the
    /// first fault, or twice their median. None where nothing was measured before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band_p99_us: Option<f64>,
    /// The highest p99 of a second until it was back within.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_p99_us: Option<f64>,
    /// From its beginning until p99 was back within for two seconds; to the second. None when it was not before the last arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_s: Option<f64>,
    /// Why it could not be done as it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The report's section.
pub fn faults(
    outcomes: &[FaultOutcome],
    recovery: &Recovery,
    arrivals_end: Duration,
) -> Vec<FaultReport> {
    let first_s = outcomes.first().map_or(0.0, |o| o.at.as_secs_f64());
    let reports = outcomes.iter().map(|outcome| {
        let at_s = outcome.at.as_secs_f64();
        let felt = recovery.felt(first_s, at_s, arrivals_end.as_secs_f64());
        let round = |seconds: f64| (seconds * 1e3).round() / 1e3;
        FaultReport {
            what: outcome.what.clone(),
            at_s: round(at_s),
            until_s: round(outcome.until.as_secs_f64()),
            band_p99_us: felt.map(|f| f.band_us),
            worst_p99_us: felt.map(|f| f.worst_us),
            recovery_s: felt.and_then(|f| f.recovery_s).map(round),
            problem: outcome.problem.clone(),
        }
    });
    reports.collect()
}

impl FaultReport {
    /// Later by so many seconds: another generator's zero.
    pub fn later(&self, seconds: f64) -> Self {
        Self {
            at_s: self.at_s + seconds,
            until_s: self.until_s + seconds,
            ..self.clone()
        }
    }
}
