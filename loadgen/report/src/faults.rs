//! The faults of a run and their effect on response time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use loadgen_engine::fault::{FaultOutcome, Recovery};

/// A fault that was carried out. Times are seconds from the start of the workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultReport {
    /// The fault in words.
    pub what: String,
    /// When the fault began.
    pub at_s: f64,
    /// When the fault ended: the process ran again, or the command returned.
    pub until_s: f64,
    /// The upper bound of a normal second's response time p99: the highest p99 of the seconds before the first fault, or twice their
    /// median. `None` if nothing was measured before the fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band_p99_us: Option<f64>,
    /// The highest p99 of a second until recovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_p99_us: Option<f64>,
    /// Seconds from the start of the fault until p99 stayed within that bound for two seconds. `None` if it did not before the last arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_s: Option<f64>,
    /// Why the fault could not be carried out as asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Builds the report's list of faults.
pub fn faults(
    outcomes: &[FaultOutcome],
    recovery: &Recovery,
    arrivals_end: Duration,
) -> Vec<FaultReport> {
    let first_s = outcomes.first().map_or(0.0, |o| o.at.as_secs_f64());
    let reports = outcomes.iter().map(|outcome| {
        let at_s = outcome.at.as_secs_f64();
        let impact = recovery.impact(first_s, at_s, arrivals_end.as_secs_f64());
        let round = |seconds: f64| (seconds * 1e3).round() / 1e3;
        FaultReport {
            what: outcome.what.clone(),
            at_s: round(at_s),
            until_s: round(outcome.until.as_secs_f64()),
            band_p99_us: impact.map(|f| f.band_us),
            worst_p99_us: impact.map(|f| f.worst_us),
            recovery_s: impact.and_then(|f| f.recovery_s).map(round),
            problem: outcome.problem.clone(),
        }
    });
    reports.collect()
}

impl FaultReport {
    /// The same fault with its times moved by `seconds`, to the start of another generator's run.
    pub fn later(&self, seconds: f64) -> Self {
        Self {
            at_s: self.at_s + seconds,
            until_s: self.until_s + seconds,
            ..self.clone()
        }
    }
}
