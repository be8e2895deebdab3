//! One rate tried: what was seen, and what it shows.

use serde::{Deserialize, Serialize};

use crate::growth::Growth;
use crate::sections::Quantiles;

/// What a probe has shown of its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Judged {
    /// Sustained.
    Holds,
    /// Not sustained.
    Exceeds,
    /// By far: no need to look twice.
    FarExceeds,
    /// The generator could not offer it: it says nothing about the target.
    Doubtful,
    /// It went wrong while others used the machine: it says nothing about the rate.
    Disturbed,
}

/// A probe. Rates are journeys a second, times microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// From 1, in the order in which they were tried.
    pub number: usize,
    /// Asked for.
    pub rate_per_s: f64,
    /// Completed, between the end of the warm-up and the last arrival.
    pub reached_per_s: f64,
    /// All requests.
    pub response_time_us: Quantiles,
    /// The awaited state that took longest at p99, and its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_to_end_us: Option<(String, Quantiles)>,
    /// Journeys in flight and backlog.
    pub growth: Growth,
    /// Dropped or unsent of all arrivals, in percent.
    pub lost_pct: f64,
    /// The most journeys in flight.
    pub in_flight_max: u64,
    /// CPU by process in percent of one core, on average, greatest first. Of a target that was not started here only the generator's.
    pub cpu_pct: Vec<(String, f64)>,
    /// What it showed.
    pub judged: Judged,
    /// Why it did not hold, or says nothing.
    pub reasons: Vec<String>,
    /// What was at its limit, greatest first.
    pub saturated: Vec<String>,
    /// The run's folder, beside the capacity's report.
    pub folder: String,
}

impl Probe {
    /// The whole CPU that is known, in percent of one core.
    pub fn cpu_sum_pct(&self) -> f64 {
        self.cpu_pct.iter().map(|(_, pct)| pct).sum()
    }
}
