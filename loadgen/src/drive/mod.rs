//! Carries journeys out: a driver is one thread with its own runtime, connections, feed and recorder; a fleet of them shares a
//! run's load. Takes arrivals as they are given and keeps to their times; must not know how they were made, nor what a report
//! looks like.

mod closed;
mod cpu_time;
mod driver;
mod fleet;
mod journey;
mod open;
mod pacing;
mod request;
mod self_watch;
mod set_up;
mod shared_values;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use cpu_time::{
    GroupProcess, driver_cpu_times, group_cpu_time, group_cpu_times, group_memory_peaks,
    group_processes, host_time, process_cpu_time, program_times,
};
pub use fleet::{drivers_max, spawn, tear_down};

use crate::budget::{Sampler, following::Following};
use crate::feed::Feed;
use crate::feeder;
use crate::http_client::{HttpClient, Target};
use crate::record::Figures;
use crate::record::ledger::Ledger;
use crate::run_event::RunEvent;
use crate::scenario::expression::{Scope, Vars};
use crate::scenario::{Scenario, ThinkTime};
use crate::schedule::Arrivals;
use crate::share::Share;

/// How the drivers are loaded.
pub enum Load {
    /// Journeys at times fixed in advance.
    Open {
        /// When, which, and with which variables: each driver's share. What is not started soon after a schedule's end counts as
        /// unsent; recorded arrivals are all sent, however late.
        arrivals: Vec<Arrivals>,
    },
    /// Users who wait for their own journeys.
    Closed {
        /// How many.
        users: usize,
        /// Between one user's journeys.
        think_time: ThinkTime,
        /// How long new journeys are started.
        duration: Duration,
        /// How many drivers share them; at least 1.
        drivers: usize,
    },
}

/// What is to be driven.
pub struct Assignment {
    /// What to do.
    pub scenario: Arc<Scenario>,
    /// Where.
    pub target: Target,
    /// How.
    pub load: Load,
    /// Lists (and other variables) beyond the scenario's parameters, for set-up, feeders and templates.
    pub variables: Vars,
    /// Makes choices repeatable.
    pub seed: u64,
    /// Whether to note what is created, for an audit.
    pub notes_writes: bool,
    /// Where events go.
    pub events: mpsc::UnboundedSender<RunEvent>,
    /// Told to go after `RunEvent::Ready`.
    pub go: oneshot::Receiver<()>,
    /// Cancelled: no new journeys.
    pub stop: CancellationToken,
}

/// What the tasks of one driver share.
pub(crate) struct Context {
    scenario: Arc<Scenario>,
    share: Share,
    http: HttpClient,
    feed: Option<Feed>,
    sampler: Sampler,
    following: Following,
    /// Parameters and lists.
    globals: Arc<Vars>,
    feeders: RefCell<Vec<feeder::Source>>,
    shared: shared_values::SharedValues,
    /// Cancelled when a feeder has no more values: no new journeys.
    exhausted: CancellationToken,
    figures: RefCell<Figures>,
    /// This driver's share of the limit.
    in_flight_max: usize,
    /// Only where somebody audits it afterwards.
    ledger: Option<RefCell<Ledger>>,
    in_flight: Cell<usize>,
    /// Told when a journey has ended while there was no room for another.
    room: Notify,
    started: Cell<u64>,
    /// Seconds of the run whose figures have been told.
    told_s: Cell<u64>,
    seed: u64,
}

impl Context {
    fn rng(&self, number: u64) -> SmallRng {
        // Spreads neighbouring numbers over the seeds (the golden ratio's bits).
        SmallRng::seed_from_u64(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn scope<'a>(layers: &'a [&'a Vars], rng: &'a mut SmallRng) -> Scope<'a> {
        Scope { layers, rng }
    }

    fn has_room(&self) -> bool {
        self.in_flight.get() < self.in_flight_max
    }

    fn journey_begins(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
        self.started.set(self.started.get() + 1);
    }

    fn journey_ends(&self) {
        if !self.has_room() {
            self.room.notify_one();
        }
        self.in_flight.set(self.in_flight.get() - 1);
    }
}
