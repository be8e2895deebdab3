//! The events that drivers send to the run. Must not know who listens.

use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::budget::figures::BudgetFigures;
use crate::budget::journey_trace::JourneyTrace;
use crate::http_client::ConnectionFigures;
use crate::record::ledger::Ledger;
use crate::record::series::{Point, WorkloadPoint};
use crate::record::{Figures, StepFigures, Times, WorkloadFigures};
use loadgen_scenario::expression::Vars;

/// An event of one driver, or of all of them together. Events come in the order of this list; `Interval` comes once a second between `Started`
/// and `Finished`, `Warning` at any time, and `Failed` ends them early.
#[derive(Debug)]
pub enum DriverEvent {
    /// A set-up step has begun.
    SetUp {
        /// Its name.
        step: String,
    },
    /// The variables that set-up made, for tear-down; not sent if there is no tear-down.
    Prepared {
        /// Parameters and lists.
        variables: Vars,
    },
    /// Set-up is done; the drivers wait for the signal to start.
    Ready,
    /// The workload has started.
    Started {
        /// The schedule's start.
        at: Instant,
        /// The same on the wall clock.
        wall_clock: SystemTime,
    },
    /// An interval's figures.
    Interval(Box<Interval>),
    /// No new journeys start; those in flight end.
    Draining {
        /// The number of journeys in flight.
        in_flight: usize,
    },
    /// The drivers have ended; the run waits for the target's backlog.
    Finished(Finished),
    /// A warning; the report has it too.
    Warning(String),
    /// The run can't be carried out.
    Failed(Refusal),
}

/// Why a run could not be carried out.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    /// The scenario can't be carried out here: no live feed, a list without values.
    #[error("{0}")]
    BadInput(String),
    /// Set-up failed on the target.
    #[error("{0}")]
    SetUp(String),
    /// An agent was lost before the start.
    #[error("{0}")]
    Lost(String),
}

/// One interval.
#[derive(Debug, Serialize, Deserialize)]
pub struct Interval {
    /// From the start of the run.
    pub start: Duration,
    /// Length in seconds.
    pub length: Duration,
    /// The figures recorded in it, without the warm-up.
    pub figures: Figures,
    /// Journeys in flight at its end.
    pub in_flight: usize,
    /// Journeys started in it, the warm-up included.
    pub started: u64,
    /// Sampled journeys that ended in it, in full.
    pub traces: Vec<JourneyTrace>,
    /// CPU of each agent's process in percent of a core, by its address; empty where the load is driven by this process.
    pub agents_cpu_pct: Vec<(String, f64)>,
}

impl Interval {
    /// Adds another driver's figures of the same interval.
    pub(super) fn add(&mut self, other: Self) {
        self.traces.extend(other.traces);
        self.agents_cpu_pct.extend(other.agents_cpu_pct);
        self.length = self.length.max(other.length);
        self.figures.add(&other.figures);
        self.in_flight += other.in_flight;
        self.started += other.started;
    }
}

impl Point {
    /// The point of an interval's counts.
    pub fn of(interval: &Interval) -> Self {
        let figures = &interval.figures;
        let journeys = figures.journeys();
        let several = figures.workloads.iter();
        let several = several.filter(|_| figures.workloads.len() > 1);
        Self {
            length_s: interval.length.as_secs_f64(),
            started: interval.started,
            completed: journeys.completed,
            failed: journeys.failed,
            dropped: journeys.dropped,
            requests: figures.steps.iter().map(|s| s.count).sum(),
            errors: figures.errors.values().map(|e| e.count).sum(),
            unanswered: figures.steps.iter().map(StepFigures::unanswered).sum(),
            in_flight: Some(interval.in_flight as u64),
            workloads: several
                .map(|w| WorkloadPoint {
                    completed: w.journeys.completed,
                    ..WorkloadPoint::default()
                })
                .collect(),
            ..Self::default()
        }
    }
}

/// How a workload ended.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Driven {
    /// When its last journey could be started, from the start of the run.
    pub arrivals_end: Duration,
    /// When its last journey had ended.
    pub drained: Duration,
}

/// The drivers' final figures.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Finished {
    /// When the last journey could be started, from the start of the run.
    pub arrivals_end: Duration,
    /// When the last journey had ended.
    pub drained: Duration,
    /// How each workload ended, in the scenario's order.
    pub workloads: Vec<Driven>,
    /// Where the time of the sampled journeys went.
    pub budget: Box<BudgetFigures>,
    /// How often the live feed was opened again.
    pub feed_reconnects: u64,
    /// What the journeys' requests did with their connections, the warm-up included.
    pub connections: ConnectionFigures,
    /// The entities created, for an audit; those of journeys that did not end in time are in it as indeterminate.
    pub ledger: Option<Box<Ledger>>,
    /// Each driver's health.
    pub drivers: Vec<DriverHealth>,
    /// What each agent did; empty where the load was driven by this process.
    pub agents: Vec<AgentFinished>,
}

impl Finished {
    /// Adds another driver's final figures.
    pub(super) fn add(&mut self, other: Self) {
        self.arrivals_end = self.arrivals_end.max(other.arrivals_end);
        self.drained = self.drained.max(other.drained);
        if self.workloads.is_empty() {
            self.workloads.clone_from(&other.workloads);
        }
        for (mine, theirs) in self.workloads.iter_mut().zip(&other.workloads) {
            mine.arrivals_end = mine.arrivals_end.max(theirs.arrivals_end);
            mine.drained = mine.drained.max(theirs.drained);
        }
        self.budget.add(*other.budget);
        self.feed_reconnects += other.feed_reconnects;
        self.connections.add(other.connections);
        if let (Some(mine), Some(theirs)) = (&mut self.ledger, other.ledger) {
            mine.add(*theirs);
        }
        self.drivers.extend(other.drivers);
        self.agents.extend(other.agents);
    }
}

/// What a driver measured of itself, from the start of the run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DriverHealth {
    /// CPU time of its thread, if the operating system reports it.
    pub cpu: Option<Duration>,
    /// How long its thread was ready to run but others ran.
    pub cpu_wait: Option<Duration>,
    /// How late its event loop ran, measured a hundred times a second.
    pub loop_lateness: Times,
    /// The largest jump of the wall clock against the monotonic clock, in milliseconds.
    pub clock_jump: Duration,
    /// Requests that failed because this machine had no descriptors, ports or memory left.
    pub generator_errors: u64,
}

/// What one of several agents did, and measured of itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AgentFinished {
    /// Its address.
    pub address: String,
    /// The cores of its machine.
    pub cores: usize,
    /// Its journeys by workload, in the scenario's order.
    pub workloads: Vec<WorkloadFigures>,
    /// Its drivers' health; empty if it was lost.
    pub drivers: Vec<DriverHealth>,
    /// CPU time of its process during the run.
    pub process_cpu: Duration,
    /// How often its live feed was opened again.
    pub feed_reconnects: u64,
    /// How far its wall clock was ahead of that of the machine that leads the run, in microseconds, as measured at the start.
    pub clock_ahead_us: i64,
    /// By how much that, and its start, may be wrong, in microseconds: half the round trip.
    pub clock_error_us: u64,
    /// Why it was lost before its end, if it was.
    pub lost: Option<String>,
}
