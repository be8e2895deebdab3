//! The report of a search, as written to `capacity.json`; the field `schema` is its version.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::probe::{Judged, Probe};
use crate::environment::Environment;
use crate::folder::write_json;

/// The file name of the report.
pub const CAPACITY_FILE: &str = "capacity.json";
/// The version that this program writes.
pub const CAPACITY_SCHEMA: &str = "loadgen-capacity/1";

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CapacityResult {
    /// The highest sustained rate is known.
    Found,
    /// Not even the lowest rate was sustained.
    None,
    /// The highest rate that was allowed is sustained.
    AtLeast,
    /// The generator could not offer a higher rate.
    Limited,
    /// Other programs disturbed too many probes.
    Disturbed,
    /// The budget was used up before the rate was known.
    Budget,
    /// The search was stopped before the rate was known.
    Stopped,
    /// An agent was lost before the rate was known.
    Invalid,
}

impl CapacityResult {
    /// The program's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Found => 0,
            Self::None => 1,
            Self::AtLeast
            | Self::Limited
            | Self::Disturbed
            | Self::Budget
            | Self::Stopped
            | Self::Invalid => 3,
        }
    }
}

/// The findings of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// How the search ended.
    pub result: CapacityResult,
    /// The highest sustained rate, in journeys a second.
    pub rate_per_s: Option<f64>,
    /// The lowest rate that was not sustained, in journeys a second.
    pub exceeded_per_s: Option<f64>,
    /// Which agent was lost, and why, if that ended the search.
    pub lost: Option<String>,
    /// The probes in the order in which they were made.
    pub probes: Vec<Probe>,
}

/// How it was searched.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SearchSetting {
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's description.
    pub description: String,
    /// The seed of all random choices.
    pub seed: u64,
    /// Length of a probe in seconds, its warm-up included.
    pub probe_s: f64,
    /// Length of a probe's warm-up in seconds.
    pub warm_up_s: f64,
    /// The precision of the result, as a share of the rate.
    pub precision: f64,
}

/// A finished search.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CapacityReport {
    /// Always `loadgen-capacity/1`.
    pub schema: String,
    /// The system, if several were searched in turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Start of the search, Unix time in seconds.
    pub started_at: f64,
    /// The settings of the search.
    #[serde(flatten)]
    pub setting: SearchSetting,
    /// The machine and the target; empty before the first probe.
    pub environment: Environment,
    /// How the search ended.
    pub result: CapacityResult,
    /// The highest sustained rate, in journeys a second.
    pub rate_per_s: Option<f64>,
    /// The lowest rate that was not sustained, in journeys a second.
    pub exceeded_per_s: Option<f64>,
    /// Why that rate was not sustained.
    pub reasons: Vec<String>,
    /// What was at its limit at that rate.
    pub saturated: Vec<String>,
    /// Which agent was lost, and why, if that ended the search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// The probes in the order in which they were made.
    pub probes: Vec<Probe>,
}

impl CapacityReport {
    /// Builds the report from the findings.
    pub fn new(
        started_at: f64,
        setting: SearchSetting,
        environment: Environment,
        findings: Findings,
    ) -> Self {
        let at_ceiling =
            |p: &&Probe| p.judged != Judged::Holds && Some(p.rate_per_s) == findings.exceeded_per_s;
        // Disturbances only make a probe worse, so the best probe of this rate says most about the target.
        let beyond = findings.probes.iter().filter(at_ceiling);
        let beyond = beyond.max_by(|a, b| a.reached_per_s.total_cmp(&b.reached_per_s));
        let reasons = beyond.map_or_else(Vec::new, |p| p.reasons.clone());
        // In a disturbed probe possibly nothing was at its limit; then the probe at the next higher rate shows what is.
        let mut too_high: Vec<&Probe> = findings.probes.iter().collect();
        too_high.retain(|p| p.judged != Judged::Holds && !p.saturated.is_empty());
        too_high.retain(|p| findings.exceeded_per_s.is_some_and(|at| p.rate_per_s >= at));
        let nearest = too_high
            .into_iter()
            .min_by(|a, b| a.rate_per_s.total_cmp(&b.rate_per_s));
        let saturated = nearest.map_or_else(Vec::new, |p| p.saturated.clone());
        Self {
            schema: CAPACITY_SCHEMA.to_owned(),
            label: None,
            started_at,
            setting,
            environment,
            result: findings.result,
            rate_per_s: findings.rate_per_s,
            exceeded_per_s: findings.exceeded_per_s,
            reasons,
            saturated,
            lost: findings.lost,
            probes: findings.probes,
        }
    }

    /// The system's name beside others.
    pub fn name(&self) -> &str {
        self.label.as_deref().unwrap_or("the system")
    }
}

/// The version of a set's shape.
pub const SET_SCHEMA: &str = "loadgen-capacities/1";

/// Searches of several systems, made in turns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CapacitySet {
    /// Always `loadgen-capacities/1`.
    pub schema: String,
    /// What differs between the systems.
    pub varied: String,
    /// The search of each system.
    pub searches: Vec<CapacityReport>,
}

impl CapacitySet {
    /// The set of these searches.
    pub fn new(varied: String, searches: Vec<CapacityReport>) -> Self {
        Self {
            schema: SET_SCHEMA.to_owned(),
            varied,
            searches,
        }
    }

    /// The program's exit code: 1 if a system does not sustain even the lowest rate, else 3 if a capacity is not known.
    pub fn exit_code(&self) -> u8 {
        let codes = || self.searches.iter().map(|s| s.result.exit_code());
        match codes().any(|code| code == 1) {
            true => 1,
            false => codes().max().unwrap_or(0),
        }
    }
}

/// Writes the report, or several, into a folder.
///
/// # Errors
/// The file can't be written.
pub fn write_report(report: &impl Serialize, folder: &Path) -> io::Result<()> {
    write_json(&folder.join(CAPACITY_FILE), report)
}
