//! The workloads of a scenario: how the journeys of each arrive, and when. Plain data, and the times that follow from it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::think_time::ThinkTime;

/// A workload: which journeys it runs, how they arrive, and when.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Its name in `[[workloads]]`; empty for `[workload]`.
    pub name: String,
    /// How its journeys arrive.
    pub kind: WorkloadKind,
    /// When it starts, from the start of the run.
    pub start_after: Duration,
    /// The time at its start in which nothing is recorded.
    pub warm_up: Duration,
    /// Whether its requests carry the header `traceparent` (W3C trace context), which names their journey.
    pub traceparent: bool,
    /// Whether each of its POSTs carries the header `Idempotency-Key`.
    pub idempotency_keys: bool,
    /// Its journeys, each an index into `Scenario::journeys` and a weight.
    pub mix: Vec<(usize, f64)>,
}

/// How journeys arrive.
#[derive(Debug, Clone)]
pub enum WorkloadKind {
    /// Arrivals at a rate, whatever the target does.
    Open {
        /// The stages, in order.
        stages: Vec<Stage>,
        /// Whether arrivals are random (a Poisson process at the given rate) instead of evenly spaced.
        poisson: bool,
    },
    /// Users who each start their next journey after the previous one has ended.
    Closed {
        /// The stages, in order: numbers of concurrent users.
        stages: Vec<Stage>,
        /// The pause between one user's journeys.
        think_time: ThinkTime,
    },
    /// Arrivals at recorded times, from a file.
    Trace,
}

impl Workload {
    /// The most workloads of a scenario.
    pub const COUNT_MAX: usize = 16;
    /// The highest rate, in journeys a second.
    pub const RATE_MAX: f64 = 1e7;
    /// The most users of a closed workload.
    pub const USERS_MAX: usize = 100_000;

    /// Its stages: rates, or numbers of users. None if it is recorded.
    pub fn stages(&self) -> &[Stage] {
        match &self.kind {
            WorkloadKind::Open { stages, .. } | WorkloadKind::Closed { stages, .. } => stages,
            WorkloadKind::Trace => &[],
        }
    }

    /// Its stages from the start of the run: until it starts, a stage of nothing.
    pub fn stages_of_the_run(&self) -> Vec<Stage> {
        let wait = Stage::constant(self.start_after, 0.0);
        let waits = !self.start_after.is_zero();
        let stages = self.stages().iter().copied();
        waits.then_some(wait).into_iter().chain(stages).collect()
    }

    /// Whether journeys arrive at a rate.
    pub fn is_open(&self) -> bool {
        matches!(self.kind, WorkloadKind::Open { .. })
    }

    /// How long its journeys are started, where the scenario says so.
    pub fn length(&self) -> Option<Duration> {
        match self.kind {
            WorkloadKind::Trace => None,
            _ => Some(self.stages().iter().map(|s| s.duration).sum()),
        }
    }

    /// When its last journey is started, from the start of the run, where the scenario says so.
    pub fn end(&self) -> Option<Duration> {
        Some(self.start_after + self.length()?)
    }

    /// When the last journey of all is started, where the scenario says so.
    pub(crate) fn last_end(workloads: &[Self]) -> Option<Duration> {
        let ends = workloads.iter().map(Self::end);
        ends.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// The end of its warm-up, from the start of the run.
    pub fn recorded_from(&self) -> Duration {
        self.start_after + self.warm_up
    }
}

/// A piece of a workload: the rate, or the number of users, goes from `from` to `to` linearly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// The stage's length.
    pub duration: Duration,
    /// Journeys a second, or users, at its start.
    pub from: f64,
    /// Journeys a second, or users, at the end of the stage.
    pub to: f64,
}

impl Stage {
    /// A stage that holds this rate, or number of users.
    pub(crate) fn constant(duration: Duration, held: f64) -> Self {
        Self {
            duration,
            from: held,
            to: held,
        }
    }

    /// The highest rate, or number of users, of these stages.
    pub fn highest(stages: &[Self]) -> f64 {
        stages.iter().map(|s| s.from.max(s.to)).fold(0.0, f64::max)
    }

    /// The journeys that arrive in these stages of rates: the area under them.
    pub fn area(stages: &[Self]) -> f64 {
        let area = |s: &Self| (s.from + s.to) / 2.0 * s.duration.as_secs_f64();
        stages.iter().map(area).sum()
    }
}
