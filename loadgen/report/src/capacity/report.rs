//! The report of a search, as it is written to `capacity.json`: its shape is versioned by `schema`.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::probe::{Judged, Probe};
use crate::sections::Environment;

/// The report's file.
pub const CAPACITY_FILE: &str = "capacity.json";
/// The present shape.
pub const CAPACITY_SCHEMA: &str = "loadgen-capacity/1";

/// What a search comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CapacityResult {
    /// The highest sustained rate is known.
    Found,
    /// Not even the lowest rate was sustained.
    None,
    /// The highest rate that was allowed is sustained.
    AtLeast,
    /// The generator could not offer more.
    Limited,
    /// Others used the machine again and again.
    Disturbed,
    /// The budget was used up before.
    Budget,
    /// It was stopped before.
    Stopped,
}

impl CapacityResult {
    /// The program's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Found => 0,
            Self::None => 1,
            Self::AtLeast | Self::Limited | Self::Disturbed | Self::Budget | Self::Stopped => 3,
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// What it comes to.
    pub result: CapacityResult,
    /// The highest rate that held, in journeys a second.
    pub rate_per_s: Option<f64>,
    /// The lowest that did not.
    pub exceeded_per_s: Option<f64>,
    /// In the order in which they were made.
    pub probes: Vec<Probe>,
}

/// How it was searched.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setting {
    /// The scenario's name.
    pub scenario: String,
    /// Its story.
    pub description: String,
    /// What choices were made from.
    pub seed: u64,
    /// Length of a probe in seconds, its warm-up included.
    pub probe_s: f64,
    /// Of it, not measured.
    pub warm_up_s: f64,
    /// As a share of the rate.
    pub precision: f64,
}

/// A finished search.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CapacityReport {
    /// `loadgen-capacity/1`.
    pub schema: String,
    /// Unix time in seconds.
    pub started_at: f64,
    /// How it was searched.
    #[serde(flatten)]
    pub setting: Setting,
    /// Where; unknown before the first probe.
    pub environment: Environment,
    /// What it comes to.
    pub result: CapacityResult,
    /// The highest sustained rate, in journeys a second.
    pub rate_per_s: Option<f64>,
    /// The lowest rate that was not sustained.
    pub exceeded_per_s: Option<f64>,
    /// Why that one was not.
    pub reasons: Vec<String>,
    /// What was at its limit then.
    pub saturated: Vec<String>,
    /// In the order in which they were made.
    pub probes: Vec<Probe>,
}

impl CapacityReport {
    /// From what was found.
    pub fn new(
        started_at: f64,
        setting: Setting,
        environment: Environment,
        findings: Findings,
    ) -> Self {
        let at_ceiling =
            |p: &&Probe| p.judged != Judged::Holds && Some(p.rate_per_s) == findings.exceeded_per_s;
        // What disturbs a probe makes it worse: the best of them says most of the target.
        let beyond = findings.probes.iter().filter(at_ceiling);
        let beyond = beyond.max_by(|a, b| a.reached_per_s.total_cmp(&b.reached_per_s));
        let reasons = beyond.map_or_else(Vec::new, |p| p.reasons.clone());
        // A probe that something else disturbed may have had nothing at its limit; the next rate's shows it.
        let mut too_high: Vec<&Probe> = findings.probes.iter().collect();
        too_high.retain(|p| p.judged != Judged::Holds && !p.saturated.is_empty());
        too_high.retain(|p| findings.exceeded_per_s.is_some_and(|at| p.rate_per_s >= at));
        let nearest = too_high
            .into_iter()
            .min_by(|a, b| a.rate_per_s.total_cmp(&b.rate_per_s));
        let saturated = nearest.map_or_else(Vec::new, |p| p.saturated.clone());
        Self {
            schema: CAPACITY_SCHEMA.to_owned(),
            started_at,
            setting,
            environment,
            result: findings.result,
            rate_per_s: findings.rate_per_s,
            exceeded_per_s: findings.exceeded_per_s,
            reasons,
            saturated,
            probes: findings.probes,
        }
    }
}

/// Writes it into a folder.
///
/// # Errors
/// When the file can't be written.
pub fn write_report(report: &CapacityReport, folder: &Path) -> io::Result<()> {
    let json = serde_json::to_string_pretty(report).map_err(io::Error::other)?;
    std::fs::write(folder.join(CAPACITY_FILE), json + "\n")
}
