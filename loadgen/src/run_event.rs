//! The events of a run: one type for the screen, for plain and JSON lines, for monitoring and for the
//! report. Displays know nothing of a run but its events.

use std::time::{Duration, Instant, SystemTime};

use crate::budget::figures::BudgetFigures;
use crate::fault::FaultEvent;
use crate::metrics_scrape::LagStatistics;
use crate::record::ledger::Ledger;
use crate::record::series::{Point, Sighting};
use crate::record::{Figures, Times};
use crate::scenario::Stage;
use crate::scenario::expression::Vars;

/// A run's event. Events come in the order of this list; `Interval` and `Seen` come once a second between `Started` and `Finished`,
/// `Held` and `WentOn` between them, `Stopping` at any time.
#[derive(Debug)]
pub enum RunEvent {
    /// The run's plan.
    Announced(Box<Plan>),
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
    /// An observation of the target and this machine, in addition to an interval's figures.
    Seen(Box<Seen>),
    /// The schedule is held: from this time on the rate stays constant.
    Held {
        /// From the start of the run.
        at: Duration,
        /// Journeys a second.
        rate: f64,
    },
    /// The schedule is resumed; the rest of it is delayed by the hold.
    WentOn {
        /// From the start of the run.
        at: Duration,
        /// The stages, holds included.
        stages: Vec<Stage>,
    },
    /// The user has asked for an early end.
    Stopping,
    /// No new journeys start; those in flight end.
    Draining {
        /// The number of journeys in flight.
        in_flight: usize,
    },
    /// The drivers have ended; the run waits for the target's backlog.
    Finished(Finished),
    /// A planned fault began or ended.
    Fault(FaultEvent),
    /// The audit compares the target's events with the data it shows.
    Auditing {
        /// Events read so far.
        events: u64,
    },
    /// Tear-down has begun.
    TearDown,
    /// The report is written: the last event of a run with a report.
    Judged {
        /// PASS, FAIL or INVALID.
        result: &'static str,
        /// Why the result is not PASS.
        reasons: Vec<String>,
    },
    /// A warning; the report has it too.
    Warning(String),
    /// The run can't be carried out.
    Failed(Refusal),
}

/// Why a run could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The scenario can't be carried out here: no live feed, a list without values.
    #[error("{0}")]
    BadInput(String),
    /// Set-up failed on the target.
    #[error("{0}")]
    SetUp(String),
}

/// A run's plan, as far as it is known beforehand.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's description.
    pub description: String,
    /// The target's URL.
    pub target: String,
    /// The number of drivers.
    pub drivers: usize,
    /// How long journeys are started, warm-up included.
    pub duration: Option<Duration>,
    /// The time at the start in which nothing is recorded.
    pub warm_up: Duration,
    /// The stages of an open workload; empty for others.
    pub stages: Vec<Stage>,
    /// Names of the recorded steps, in the order of `Figures::steps`.
    pub steps: Vec<String>,
    /// Names of the awaited states, in the order of `Figures::awaits`.
    pub awaits: Vec<String>,
    /// The schedule slip (p99) past which the generator has not kept up.
    pub slip_p99_max: Duration,
    /// Arrivals that may be lost, in percent.
    pub dropped_pct_max: f64,
    /// A note for people: what is replayed.
    pub note: Option<String>,
}

/// An observation at the end of an interval, or while a backlog drains.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// From the start of the run.
    pub at: Duration,
    /// CPU by process, and consumer groups, since the last observation.
    pub sighting: Sighting,
    /// CPU of each driver's thread in percent of a core, since the last observation.
    pub drivers_cpu_pct: Vec<f64>,
    /// All groups' event lag since the start of the run.
    pub lag: LagStatistics,
    /// Entries not yet handled, all groups together, if the target has that metric.
    pub backlog: Option<u64>,
    /// The thresholds so far.
    pub standings: Vec<Standing>,
}

/// A threshold's state during the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The threshold's text in the scenario.
    pub threshold: String,
    /// The figure so far in words, or why there is none.
    pub figure: String,
    /// Whether it would hold if the run ended now; `None` if only the end can show that.
    pub holds: Option<bool>,
}

/// What the user of a live screen may ask of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// An early end; the second time, an end at once.
    Stop,
    /// To hold the rate, or to resume.
    Hold,
}

/// A listener to a run's events. It must be quick: the run waits for it, the drivers don't.
pub trait Listener {
    /// Handles an event.
    fn event(&mut self, event: &RunEvent);
}

/// One interval.
#[derive(Debug)]
pub struct Interval {
    /// From the start of the run.
    pub start: Duration,
    /// Its length.
    pub length: Duration,
    /// The figures recorded in it, without the warm-up.
    pub figures: Figures,
    /// Journeys in flight at its end.
    pub in_flight: usize,
    /// Journeys started in it, the warm-up included.
    pub started: u64,
}

impl Point {
    /// The point of an interval's counts.
    pub fn of(interval: &Interval) -> Self {
        let figures = &interval.figures;
        Self {
            length_s: interval.length.as_secs_f64(),
            started: interval.started,
            completed: figures.journeys.completed,
            failed: figures.journeys.failed,
            dropped: figures.journeys.dropped,
            requests: figures.steps.iter().map(|s| s.count).sum(),
            errors: figures.errors.values().map(|e| e.count).sum(),
            in_flight: Some(interval.in_flight as u64),
            ..Self::default()
        }
    }
}

/// The drivers' final figures.
#[derive(Debug, Clone, Default)]
pub struct Finished {
    /// When the last journey could be started, from the start of the run.
    pub arrivals_end: Duration,
    /// When the last journey had ended.
    pub drained: Duration,
    /// Where the time of the sampled journeys went.
    pub budget: Box<BudgetFigures>,
    /// How often the live feed was opened again.
    pub feed_reconnects: u64,
    /// The entities created, for an audit; those of journeys that did not end in time are in it as indeterminate.
    pub ledger: Option<Ledger>,
    /// Each driver's health.
    pub drivers: Vec<DriverHealth>,
}

/// What a driver measured of itself, from the start of the run.
#[derive(Debug, Clone, Default)]
pub struct DriverHealth {
    /// CPU time of its thread, if the operating system reports it.
    pub cpu: Option<Duration>,
    /// How long its thread was ready to run but others ran.
    pub cpu_wait: Option<Duration>,
    /// How late its event loop ran, measured a hundred times a second.
    pub loop_lateness: Times,
    /// The largest jump of the wall clock against the monotonic one.
    pub clock_jump: Duration,
    /// Requests that failed because this machine had no descriptors, ports or memory left.
    pub generator_errors: u64,
}
