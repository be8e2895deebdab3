//! A probe: the figures of one run at one rate, and its judgement.

use serde::{Deserialize, Serialize};

use crate::growth::Growth;
use crate::sections::Quantiles;
use loadgen_engine::record::series::AGENT;

/// What a probe says about its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Judged {
    /// The rate was sustained.
    Holds,
    /// The rate was not sustained.
    Exceeds,
    /// The rate was missed by so much that no second probe is needed.
    FarExceeds,
    /// The generator could not offer the rate, so the probe says nothing about the target.
    Doubtful,
    /// The rate was not sustained while other programs used the machine, so the probe says nothing about the rate.
    Disturbed,
    /// An agent was lost, so its share of the rate was not offered.
    Invalid,
}

impl Judged {
    /// The judgement in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "sustained",
            Self::Exceeds => "too high",
            Self::FarExceeds => "far too high",
            Self::Doubtful => "can't tell",
            Self::Disturbed => "disturbed",
            Self::Invalid => "INVALID",
        }
    }
}

/// A probe. Rates are journeys a second, times are microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The probe's number, from 1, in the order of time.
    pub number: usize,
    /// The rate asked for.
    pub rate_per_s: f64,
    /// The rate of completed journeys, between the end of the warm-up and the last arrival.
    pub reached_per_s: f64,
    /// The rate of failed journeys in the same time.
    #[serde(default)]
    pub failed_per_s: f64,
    /// Response time of all requests.
    pub response_time_us: Quantiles,
    /// Name and latency of the awaited state with the highest p99.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_to_end_us: Option<(String, Quantiles)>,
    /// Growth of journeys in flight and of the backlog.
    pub growth: Growth,
    /// Share of the arrivals that were dropped or unsent, in percent.
    pub lost_pct: f64,
    /// The largest number of journeys in flight.
    pub in_flight_max: u64,
    /// Mean CPU of each process in percent of one core, highest first. Only the generator's if the target was not started here.
    pub cpu_pct: Vec<(String, f64)>,
    /// The judgement.
    pub judged: Judged,
    /// Why the rate was not sustained, or why the probe says nothing.
    pub reasons: Vec<String>,
    /// What was at its limit, the machine before its processes.
    pub saturated: Vec<String>,
    /// The name of the run's folder, beside the report of the search.
    pub folder: String,
}

impl Probe {
    /// CPU of each known process of this machine, which those of agents are not.
    pub fn cpu_here_pct(&self) -> impl Iterator<Item = &(String, f64)> {
        let all = self.cpu_pct.iter();
        all.filter(|(name, _)| !name.starts_with(AGENT))
    }

    /// CPU of all known processes of this machine, in percent of one core.
    pub fn cpu_sum_pct(&self) -> f64 {
        self.cpu_here_pct().map(|(_, pct)| pct).sum()
    }

    /// The response times; `None` if no request was answered as expected.
    pub fn times(&self) -> Option<&Quantiles> {
        Some(&self.response_time_us).filter(|times| times.count > 0)
    }

    /// The rate of journeys that ended, completed or failed, in journeys a second.
    pub fn ended_per_s(&self) -> f64 {
        self.reached_per_s + self.failed_per_s
    }
}
