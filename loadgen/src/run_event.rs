//! What a run tells while it is under way: one kind of event for the terminal, for plain lines and for the record.

use std::time::{Duration, Instant, SystemTime};

use crate::budget::figures::BudgetFigures;
use crate::record::ledger::Ledger;
use crate::record::{Figures, Times};
use crate::scenario::expression::Vars;

/// A run's event. Events come in the order of this list; `Interval` comes once a second between `Started` and `Finished`.
#[derive(Debug)]
pub enum RunEvent {
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
    /// No new journeys; those in flight end.
    Draining {
        /// How many there are.
        in_flight: usize,
    },
    /// The drivers have ended.
    Finished(Finished),
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
