//! The measurements, as histograms and counts: a driver records into the current interval and hands it over once a second; adding
//! intervals loses nothing. Memory does not grow with the length of a run. Must not know how a report looks.

pub mod interval_log;
pub mod interval_reader;
mod journeys;
pub mod ledger;
pub mod series;
mod times;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::http_client::Hop;
use crate::pairs;

pub use journeys::{JourneyCounts, JourneyOutcome, WorkloadFigures};
pub use times::Times;

/// The most kinds of errors counted separately; further ones are counted together.
const ERROR_KINDS_MAX: usize = 200;
/// Examples kept of each error.
const ERROR_EXAMPLES_MAX: usize = 5;
/// Longest example, in characters.
const EXAMPLE_CHARS_MAX: usize = 400;

/// The times of one kind of request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StepFigures {
    /// completed − intended start, of requests answered as expected.
    pub response_time: Times,
    /// completed − actual start, of the same requests.
    pub service_time: Times,
    /// completed − intended start, of requests whose answer was an error.
    pub failed_time: Times,
    /// given up − intended start, of requests without an answer: refused, timed out, connection lost.
    pub unanswered_time: Times,
    /// actual − intended start.
    pub slip: Times,
    /// Requests that ended in an error.
    pub errors: u64,
    /// Requests tried.
    pub count: u64,
    /// Bytes of the answers' bodies as they came.
    pub wire_bytes: u64,
    /// Bytes of the answers' bodies, decoded.
    pub body_bytes: u64,
    /// Redirects that were followed, by their place in their request (from 1) and by status.
    #[serde(with = "pairs")]
    pub redirects: BTreeMap<(usize, u16), RedirectFigures>,
}

/// Redirects of one place and status.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RedirectFigures {
    /// How long the target took to answer so.
    pub time: Times,
    /// The first one: from where to where.
    pub example: (String, String),
}

/// An awaited state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AwaitFigures {
    /// Intended start of the step it is measured from → visible in the read model.
    pub end_to_end: Times,
    /// Awaits that timed out.
    pub timeouts: u64,
}

/// An error of one kind at one step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ErrorFigures {
    /// Number of errors.
    pub count: u64,
    /// The first few examples.
    pub examples: Vec<String>,
}

impl StepFigures {
    /// Requests without an answer.
    pub fn unanswered(&self) -> u64 {
        self.unanswered_time.0.len()
    }

    /// Adds another interval's figures.
    pub fn add(&mut self, other: &Self) {
        self.response_time.add(&other.response_time);
        self.service_time.add(&other.service_time);
        self.failed_time.add(&other.failed_time);
        self.unanswered_time.add(&other.unanswered_time);
        self.slip.add(&other.slip);
        self.errors += other.errors;
        self.count += other.count;
        self.wire_bytes += other.wire_bytes;
        self.body_bytes += other.body_bytes;
        for (at, theirs) in &other.redirects {
            let mine = self
                .redirects
                .entry(*at)
                .or_insert_with(|| RedirectFigures {
                    example: theirs.example.clone(),
                    ..RedirectFigures::default()
                });
            mine.time.add(&theirs.time);
        }
    }

    /// Records the redirects of one request. `shown` leaves out of a URL what nobody may see.
    pub fn redirected(&mut self, hops: &[Hop], shown: impl Fn(&str) -> String) {
        for (place, hop) in (1..).zip(hops) {
            let at = self.redirects.entry((place, hop.status));
            let figures = at.or_insert_with(|| RedirectFigures {
                example: (shown(&hop.from), shown(&hop.to)),
                ..RedirectFigures::default()
            });
            figures.time.record(hop.time);
        }
    }
}

/// Everything recorded in one interval, or in a whole run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Figures {
    /// By `Action::Request`'s `id`.
    pub steps: Vec<StepFigures>,
    /// By `Await::id`.
    pub awaits: Vec<AwaitFigures>,
    /// Of each workload's journeys, in the scenario's order.
    pub workloads: Vec<WorkloadFigures>,
    /// By step's name and kind.
    #[serde(with = "pairs")]
    pub errors: BTreeMap<(String, String), ErrorFigures>,
}

impl Figures {
    /// Empty figures for this many steps, awaited states and workloads.
    pub fn new(steps: usize, awaits: usize, workloads: usize) -> Self {
        Self {
            steps: vec![StepFigures::default(); steps],
            awaits: vec![AwaitFigures::default(); awaits],
            workloads: vec![WorkloadFigures::new(workloads > 1); workloads],
            errors: BTreeMap::new(),
        }
    }

    /// Takes the figures and starts again with empty ones of the same size: growing again in every interval would fragment
    /// the memory.
    pub fn take(&mut self) -> Self {
        let steps = self.steps.iter().map(|s| StepFigures {
            response_time: s.response_time.emptied(),
            service_time: s.service_time.emptied(),
            failed_time: s.failed_time.emptied(),
            unanswered_time: s.unanswered_time.emptied(),
            slip: s.slip.emptied(),
            ..StepFigures::default()
        });
        let awaits = self.awaits.iter().map(|a| AwaitFigures {
            end_to_end: a.end_to_end.emptied(),
            ..AwaitFigures::default()
        });
        let workloads = self.workloads.iter().map(WorkloadFigures::emptied);
        let next = Self {
            steps: steps.collect(),
            awaits: awaits.collect(),
            workloads: workloads.collect(),
            errors: BTreeMap::new(),
        };
        std::mem::replace(self, next)
    }

    /// The counts of a workload's journeys.
    pub fn counts(&mut self, workload: usize) -> &mut JourneyCounts {
        &mut self.workloads[workload].journeys
    }

    /// Counts a journey that was started this late.
    pub fn started(&mut self, workload: usize, slip: Duration) {
        let figures = &mut self.workloads[workload];
        figures.journeys.started += 1;
        figures.schedule_slip.record(slip);
    }

    /// Counts a journey that has ended.
    pub fn journey_ended(&mut self, workload: usize, journey: usize, outcome: &JourneyOutcome) {
        self.counts(workload).ended(journey, outcome);
    }

    /// Records the response time of a workload's request, which its step has recorded.
    pub fn answered(&mut self, workload: usize, response_time: Duration) {
        if let Some(times) = &mut self.workloads[workload].response_time {
            times.record(response_time);
        }
    }

    /// completed − intended start, of a workload's requests answered as expected.
    pub fn response_time(&self, workload: usize) -> Times {
        let own = self.workloads.get(workload);
        own.and_then(|figures| figures.response_time.clone())
            .unwrap_or_else(|| self.all_steps().0)
    }

    /// Counts of all workloads' journeys.
    pub fn journeys(&self) -> JourneyCounts {
        let mut all = JourneyCounts::default();
        self.workloads.iter().for_each(|w| all.add(&w.journeys));
        all
    }

    /// Schedule slip of all workloads' journeys.
    pub fn schedule_slip(&self) -> Times {
        let mut all = Times::default();
        self.workloads
            .iter()
            .for_each(|w| all.add(&w.schedule_slip));
        all
    }

    /// Counts an error at a step; `example` has more detail than the kind.
    pub fn error(&mut self, step: &str, kind: &str, example: String) {
        let mut key = (step.to_owned(), kind.to_owned());
        if self.errors.len() >= ERROR_KINDS_MAX && !self.errors.contains_key(&key) {
            key = ("other".to_owned(), "other".to_owned());
        }
        let entry = self.errors.entry(key).or_default();
        entry.count += 1;
        if entry.examples.len() < ERROR_EXAMPLES_MAX {
            entry
                .examples
                .push(example.chars().take(EXAMPLE_CHARS_MAX).collect());
        }
    }

    /// Adds another interval's figures.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.steps.iter_mut().zip(&other.steps) {
            mine.add(theirs);
        }
        for (mine, theirs) in self.awaits.iter_mut().zip(&other.awaits) {
            mine.end_to_end.add(&theirs.end_to_end);
            mine.timeouts += theirs.timeouts;
        }
        for (mine, theirs) in self.workloads.iter_mut().zip(&other.workloads) {
            mine.add(theirs);
        }
        for ((step, kind), theirs) in &other.errors {
            let mut key = (step.clone(), kind.clone());
            if self.errors.len() >= ERROR_KINDS_MAX && !self.errors.contains_key(&key) {
                key = ("other".to_owned(), "other".to_owned());
            }
            let mine = self.errors.entry(key).or_default();
            mine.count += theirs.count;
            let room = ERROR_EXAMPLES_MAX.saturating_sub(mine.examples.len());
            mine.examples
                .extend(theirs.examples.iter().take(room).cloned());
        }
    }

    /// How long all requests took from their intended start, whatever became of them: what a customer felt.
    pub fn felt(&self) -> Times {
        let mut felt = Times::default();
        for step in &self.steps {
            for times in [
                &step.response_time,
                &step.failed_time,
                &step.unanswered_time,
            ] {
                felt.add(times);
            }
        }
        felt
    }

    /// The distributions of all steps together: response time, service time; of requests answered as expected.
    pub fn all_steps(&self) -> (Times, Times) {
        let (mut response, mut service) = (Times::default(), Times::default());
        for step in &self.steps {
            response.add(&step.response_time);
            service.add(&step.service_time);
        }
        (response, service)
    }
}
