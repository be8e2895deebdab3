//! What a run tells while it is under way: one kind of event for the screen, for plain and JSON lines, for monitoring and for the
//! record. Whoever shows something of a run knows nothing else of it.

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
    /// What is going to be done.
    Announced(Box<Plan>),
    /// A set-up step has begun.
    SetUp {
        /// Its name.
        step: String,
    },
    /// What set-up made, for tear-down; not told where there is none.
    Prepared {
        /// Parameters and lists.
        variables: Vars,
    },
    /// Set-up is done; the driver waits to be told to start.
    Ready,
    /// The workload has started.
    Started {
        /// The zero of the schedule.
        at: Instant,
        /// The same on the wall clock.
        wall_clock: SystemTime,
    },
    /// An interval's figures.
    Interval(Box<Interval>),
    /// What is seen of the target and of this machine beside them.
    Seen(Box<Seen>),
    /// From this time of the run on the rate stays what it is then.
    Held {
        /// From the start of the run.
        at: Duration,
        /// Journeys a second.
        rate: f64,
    },
    /// The schedule goes on from here; what is left of it comes so much later.
    WentOn {
        /// From the start of the run.
        at: Duration,
        /// The stages as they have become, holds included.
        stages: Vec<Stage>,
    },
    /// Somebody has asked for an early end.
    Stopping,
    /// No new journeys; those in flight end.
    Draining {
        /// How many there are.
        in_flight: usize,
    },
    /// The drivers have ended; the target's backlog is waited for.
    Finished(Finished),
    /// Something went wrong on purpose.
    Fault(FaultEvent),
    /// What happened is read and held against what is shown.
    Auditing {
        /// Events read so far.
        events: u64,
    },
    /// What set-up made is being undone.
    TearDown,
    /// The report is written: the last event of a run that has one.
    Judged {
        /// PASS, FAIL or INVALID.
        result: &'static str,
        /// Why it is no PASS.
        reasons: Vec<String>,
    },
    /// Something that people should know and the report keeps.
    Warning(String),
    /// The run can't be carried out.
    Failed(Refusal),
}

/// Why a run could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// What was asked for can't be done here: no live feed, a list without values.
    #[error("{0}")]
    BadInput(String),
    /// The target did not do what the set-up asked for.
    #[error("{0}")]
    SetUp(String),
}

/// What is going to be done, as far as it is known beforehand.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The scenario's name.
    pub scenario: String,
    /// Its story.
    pub description: String,
    /// Where.
    pub target: String,
    /// How many threads drive it.
    pub drivers: usize,
    /// How long journeys are started, warm-up included.
    pub duration: Option<Duration>,
    /// How long figures are not recorded.
    pub warm_up: Duration,
    /// What an open workload asks for; empty for others.
    pub stages: Vec<Stage>,
    /// Names of the recorded steps, in the order of `Figures::steps`.
    pub steps: Vec<String>,
    /// Names of the awaited states, in the order of `Figures::awaits`.
    pub awaits: Vec<String>,
    /// The schedule slip (p99) past which the generator has not kept up.
    pub slip_p99_max: Duration,
    /// Arrivals that may be lost, in percent.
    pub dropped_pct_max: f64,
    /// More about it, in words: what is replayed.
    pub note: Option<String>,
}

/// What is seen from outside at the end of an interval, or while a backlog drains.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// From the start of the run.
    pub at: Duration,
    /// CPU by process and consumer groups, since the last look.
    pub sighting: Sighting,
    /// CPU of each driver's thread in percent of a core, since the last look.
    pub drivers_cpu_pct: Vec<f64>,
    /// All groups' event lag since the start of the run.
    pub lag: LagStatistics,
    /// Entries not yet handled, all groups together, where the target tells.
    pub backlog: Option<u64>,
    /// How the thresholds stand.
    pub standings: Vec<Standing>,
}

/// How a threshold stands while the run goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// As the scenario has it.
    pub threshold: String,
    /// The figure so far in words, or why there is none.
    pub figure: String,
    /// Whether it would hold if the run ended now; nothing for what only the end can show.
    pub holds: Option<bool>,
}

/// What somebody who looks on may ask of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// An early end; once more: at once.
    Stop,
    /// To hold the rate as it is, or to go on.
    Hold,
}

/// Whoever is told of a run's events. Must be quick: the run waits for it, the drivers don't.
pub trait Listener {
    /// Something has happened.
    fn event(&mut self, event: &RunEvent);
}

/// One interval.
#[derive(Debug)]
pub struct Interval {
    /// From the start of the run.
    pub start: Duration,
    /// How long it was.
    pub length: Duration,
    /// What was recorded in it. Without the warm-up.
    pub figures: Figures,
    /// Journeys in flight at its end.
    pub in_flight: usize,
    /// Journeys started in it, with the warm-up.
    pub started: u64,
}

impl Point {
    /// What an interval counted.
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

/// The drivers' last words.
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
    /// What was created, for an audit; journeys that had not ended in time may have created more, which is in it as indeterminate.
    pub ledger: Option<Ledger>,
    /// Each driver's look at itself.
    pub drivers: Vec<DriverHealth>,
}

/// What a driver saw of itself, from the start of the run.
#[derive(Debug, Clone, Default)]
pub struct DriverHealth {
    /// CPU time of its thread, if the system tells.
    pub cpu: Option<Duration>,
    /// How long its thread was ready to run but others ran.
    pub cpu_wait: Option<Duration>,
    /// How late its event loop came round, looked at a hundred times a second.
    pub loop_lateness: Times,
    /// The largest jump of the wall clock against the monotonic one.
    pub clock_jump: Duration,
    /// Requests that failed for want of descriptors, ports or memory on this machine.
    pub generator_errors: u64,
}
