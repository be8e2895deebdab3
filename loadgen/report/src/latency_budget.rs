//! The latency budget of a report: the time of each request and awaited state of the sampled journeys, in parts whose means add up to
//! the whole, and the slowest journeys.

use serde::{Deserialize, Serialize};

use loadgen_engine::budget::figures::{
    BudgetFigures, CriticalPaths, PathEnd, SignedTimes, SlowJourney,
};
use loadgen_engine::budget::parts::{UNEXPLAINED, place};
use loadgen_scenario::Scenario;

/// The latency budget of the sampled journeys; times are microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LatencyBudget {
    /// Number of sampled journeys.
    pub sampled: u64,
    /// Requests, from the intended start to the last byte of the response.
    pub requests: Vec<Budget>,
    /// Awaited states, from the intended start of the step they are measured from until they are visible.
    pub states: Vec<Budget>,
    /// The slowest journeys, the slowest first.
    pub slowest: Vec<Waterfall>,
}

/// The budget of one request or state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Budget {
    /// The step's or the state's name.
    pub name: String,
    /// Number of samples.
    pub count: u64,
    /// The whole time.
    pub total: BudgetPart,
    /// The parts in order; their means add up to the mean of the whole. The last part is the unexplained time.
    pub parts: Vec<BudgetPart>,
}

impl Budget {
    /// How much of the whole a part is, in percent of the means; `None` if the whole is 0.
    pub fn share_pct(&self, part: &BudgetPart) -> Option<f64> {
        let whole_us = self.total.mean_us;
        (whole_us > 0.0).then(|| 100.0 * part.mean_us / whole_us)
    }
}

/// A part of a budget. A part may be negative if the clocks of two machines differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are standard terms
pub struct BudgetPart {
    pub name: String,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

/// One journey with all its requests and states.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Waterfall {
    /// The trace id in hex, which is the correlation id of the journey's events.
    pub trace: String,
    /// The intended start, in seconds from the start of the run.
    pub at_s: f64,
    /// The journey's length without pauses.
    pub length_us: f64,
    /// The requests and states.
    pub lanes: Vec<Lane>,
}

/// One request or state of a waterfall; times count from the journey's intended start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Lane {
    /// The step's or the state's name.
    pub name: String,
    /// The intended start.
    pub from_us: f64,
    /// The parts in order; each starts at the end of the one before.
    pub legs: Vec<LaneLeg>,
}

/// A part of a lane.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LaneLeg {
    /// The name of the budget's part.
    pub part: String,
    /// The place: a hop between topics, or a step.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// The end.
    pub to_us: f64,
}

fn part(name: &str, times: &SignedTimes, of: u64) -> BudgetPart {
    BudgetPart {
        name: name.to_owned(),
        mean_us: times.sum_us() as f64 / of as f64,
        p50_us: times.at(0.5, of) as f64,
        p99_us: times.at(0.99, of) as f64,
    }
}

fn budget(name: &str, paths: &CriticalPaths) -> Budget {
    let mut parts: Vec<BudgetPart> = paths
        .parts
        .iter()
        .map(|(name, times)| part(name, times, paths.count))
        .collect();
    // The unexplained time has its line even if it is 0.
    if !paths.parts.contains_key(UNEXPLAINED) {
        parts.push(part(UNEXPLAINED, &SignedTimes::default(), paths.count));
    }
    parts.sort_by(|a, b| place(&a.name).cmp(&place(&b.name)));
    Budget {
        name: name.to_owned(),
        count: paths.count,
        total: part("all", &paths.total, paths.count),
        parts,
    }
}

fn waterfall(journey: &SlowJourney, started_at_s: f64) -> Waterfall {
    let from_us = journey.from_us;
    let lanes = journey.paths.iter().map(|(name, path)| Lane {
        name: name.clone(),
        from_us: (path.from_us - from_us) as f64,
        legs: path
            .segments
            .iter()
            .map(|segment| LaneLeg {
                part: segment.part.clone(),
                at: segment.at.clone(),
                to_us: (segment.to_us - from_us) as f64,
            })
            .collect(),
    });
    Waterfall {
        trace: format!("{:032x}", journey.trace),
        at_s: ((from_us as f64 / 1e6 - started_at_s) * 1e3).round() / 1e3,
        length_us: journey.length_us as f64,
        lanes: lanes.collect(),
    }
}

impl LatencyBudget {
    /// Builds the budget; `None` if no journey was sampled. `started_at_s` is Unix time.
    #[must_use]
    pub fn new(figures: &BudgetFigures, scenario: &Scenario, started_at_s: f64) -> Option<Self> {
        let (mut requests, mut states) = (Vec::new(), Vec::new());
        for (end, paths) in &figures.paths {
            match end {
                PathEnd::Answer(id) => requests.push(budget(&scenario.step_names[*id], paths)),
                PathEnd::State(id) => states.push(budget(&scenario.await_names[*id], paths)),
            }
        }
        let slowest = figures.slowest.iter();
        (figures.sampled > 0).then(|| Self {
            sampled: figures.sampled,
            requests,
            states,
            slowest: slowest.map(|j| waterfall(j, started_at_s)).collect(),
        })
    }
}
