//! The events of a run: one type for the screen, for plain and JSON lines, for monitoring and for the
//! report. Displays know nothing of a run but its events.

use std::time::{Duration, Instant, SystemTime};

use loadgen_engine::drive::Interval;
use loadgen_engine::fault::FaultEvent;
use loadgen_engine::record::series::Observation;
use loadgen_engine::schedule::Schedule;
use loadgen_engine::scrape::LagStatistics;
use loadgen_report::ThresholdState;
use loadgen_scenario::Stage;

/// A run's event. Events come in the order of this list; `Interval` and `Observed` come once a second between `Started` and `Finished`,
/// `Held` and `Resumed` between them, `Waiting`, `Stopping` and `Aborting` at any time.
#[derive(Debug)]
pub enum RunEvent {
    /// Something has taken a second, and the run goes on only after it.
    Waiting {
        /// What is waited for, in words.
        what: String,
    },
    /// The run's plan.
    Announced(Box<RunPlan>),
    /// A set-up step has begun.
    SetUp {
        /// Its name.
        step: String,
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
    Observed(Box<Observed>),
    /// The schedule is held: from this time on the rate stays constant.
    Held {
        /// From the start of the run.
        at: Duration,
        /// Journeys a second.
        rate: f64,
    },
    /// The schedule is resumed; the rest of it is delayed by the hold.
    Resumed {
        /// From the start of the run.
        at: Duration,
        /// The stages, holds included.
        stages: Vec<Stage>,
    },
    /// The user has asked for an early end.
    Stopping,
    /// A threshold with `abort` is missed: the run ends early.
    Aborting {
        /// The threshold's text in the scenario.
        threshold: String,
        /// Its figure in words.
        figure: String,
    },
    /// No new journeys start; those in flight end.
    Draining {
        /// The number of journeys in flight.
        in_flight: usize,
    },
    /// The drivers have ended; the target's backlog is waited for.
    Finished {
        /// When the last journey could be started, from the start of the run.
        arrivals_end: Duration,
        /// When the last journey had ended.
        drained: Duration,
    },
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
        /// PASS, FAIL, INVALID or INTERRUPTED.
        result: &'static str,
        /// Why the result is not PASS.
        reasons: Vec<String>,
    },
    /// A warning; the report has it too.
    Warning(String),
    /// The run can't be carried out.
    Failed(String),
}

/// A run's plan, as far as it is known beforehand.
#[derive(Debug, Clone, Default)]
pub struct RunPlan {
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
    /// The stages of the only workload if it is open; empty for others.
    pub stages: Vec<Stage>,
    /// Each workload of `[[workloads]]`; empty for `[workload]`.
    pub workloads: Vec<PlannedWorkload>,
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

/// One of several workloads, as planned.
#[derive(Debug, Clone, Default)]
pub struct PlannedWorkload {
    /// Its name.
    pub name: String,
    /// Its stages from the start of the run, if it is open; empty for others.
    pub stages: Vec<Stage>,
}

impl PlannedWorkload {
    /// The rate that it is asked for at a time of the run, if it is open.
    pub fn asked(&self, at: Duration) -> Option<f64> {
        let open = !self.stages.is_empty();
        open.then(|| Schedule::new(self.stages.clone()).rate_at(at))
    }
}

/// An observation at the end of an interval, or while a backlog drains.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// From the start of the run.
    pub at: Duration,
    /// CPU by process, and consumer groups, since the last observation.
    pub observation: Observation,
    /// CPU of each driver's thread in percent of a core, since the last observation.
    pub drivers_cpu_pct: Vec<f64>,
    /// All groups' event lag since the start of the run.
    pub lag: LagStatistics,
    /// Entries not yet handled, all groups together, if the target has that metric.
    pub backlog: Option<u64>,
    /// The thresholds so far.
    pub threshold_states: Vec<ThresholdState>,
}

/// What the user of a live screen may ask of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// An early end; the second time, an end at once.
    Stop,
    /// To hold the rate, or to resume.
    ToggleHold,
}

/// A listener to a run's events. It must be quick: the run waits for it, the drivers don't.
pub trait Listener {
    /// Handles an event.
    fn event(&mut self, event: &RunEvent);
}
