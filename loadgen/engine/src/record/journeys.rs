//! The figures of journeys: how many ended how, and those of a workload's journeys together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::times::Times;

/// How one journey ended.
#[derive(Debug, Clone, PartialEq)]
pub enum JourneyOutcome {
    /// It reached its end.
    Completed,
    /// It ended by an error, which has been recorded.
    Failed {
        /// Whether neither a request nor an awaited state has counted the error.
        elsewhere: bool,
    },
    /// It could not be carried out, for this reason.
    Skipped(String),
    /// It had done its part when another journey took over what it had made, for this reason.
    Overtaken(String),
}

/// Counts of journeys, by outcome.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct JourneyCounts {
    /// Started.
    pub started: u64,
    /// Completed.
    pub completed: u64,
    /// Ended by an error.
    pub failed: u64,
    /// Those of `failed` whose error neither a request nor an awaited state has counted: a loop's bound, a template, or the run's end.
    #[serde(default)]
    pub failed_elsewhere: u64,
    /// Ended because they could not be carried out, by reason: not a failure of the target.
    pub skipped: BTreeMap<String, u64>,
    /// Ended because another journey took over what they had made, by reason: not a failure either.
    pub overtaken: BTreeMap<String, u64>,
    /// Completed or overtaken, by the journey's index in the scenario.
    pub done: BTreeMap<usize, u64>,
    /// Arrivals over the in-flight limit.
    pub dropped: u64,
    /// Arrivals that were due but not started when the run ended.
    pub unsent: u64,
}

impl JourneyCounts {
    /// Counts a journey that has ended.
    pub(super) fn ended(&mut self, journey: usize, outcome: &JourneyOutcome) {
        if let JourneyOutcome::Completed | JourneyOutcome::Overtaken(_) = outcome {
            *self.done.entry(journey).or_default() += 1;
        }
        match outcome {
            JourneyOutcome::Completed => self.completed += 1,
            JourneyOutcome::Failed { elsewhere } => {
                self.failed += 1;
                self.failed_elsewhere += u64::from(*elsewhere);
            }
            JourneyOutcome::Skipped(reason) => {
                *self.skipped.entry(reason.clone()).or_default() += 1;
            }
            JourneyOutcome::Overtaken(reason) => {
                *self.overtaken.entry(reason.clone()).or_default() += 1;
            }
        }
    }

    /// Adds another interval's figures.
    pub fn add(&mut self, other: &Self) {
        self.started += other.started;
        self.completed += other.completed;
        self.failed += other.failed;
        self.failed_elsewhere += other.failed_elsewhere;
        self.dropped += other.dropped;
        self.unsent += other.unsent;
        for (reason, count) in &other.skipped {
            *self.skipped.entry(reason.clone()).or_default() += count;
        }
        for (reason, count) in &other.overtaken {
            *self.overtaken.entry(reason.clone()).or_default() += count;
        }
        for (journey, count) in &other.done {
            *self.done.entry(*journey).or_default() += count;
        }
    }

    /// The outcomes, each with its name and its count.
    pub fn outcomes(&self) -> [(&'static str, u64); 6] {
        [
            ("completed", self.completed),
            ("failed", self.failed),
            ("skipped", self.skipped.values().sum()),
            ("overtaken", self.overtaken.values().sum()),
            ("dropped", self.dropped),
            ("unsent", self.unsent),
        ]
    }
}

/// The figures of one workload's journeys.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct WorkloadFigures {
    /// Counts of its journeys.
    pub journeys: JourneyCounts,
    /// Their schedule slip: actual − intended start.
    pub schedule_slip: Times,
    /// completed − intended start, of their requests answered as expected. Recorded only beside other workloads: all requests are an only
    /// one's.
    pub(super) response_time: Option<Times>,
}

impl WorkloadFigures {
    /// Empty figures of a workload that is the only one, or `beside_others`.
    pub(super) fn new(beside_others: bool) -> Self {
        Self {
            response_time: beside_others.then(Times::default),
            ..Self::default()
        }
    }

    /// Empty figures with room for the same values.
    pub(super) fn emptied(&self) -> Self {
        Self {
            schedule_slip: self.schedule_slip.emptied(),
            response_time: self.response_time.as_ref().map(Times::emptied),
            ..Self::default()
        }
    }

    /// Adds another interval's figures.
    pub fn add(&mut self, other: &Self) {
        self.journeys.add(&other.journeys);
        self.schedule_slip.add(&other.schedule_slip);
        if let Some(theirs) = &other.response_time {
            self.response_time.get_or_insert_default().add(theirs);
        }
    }
}
