//! Carries journeys out: a driver is one thread with its own runtime, connections, feed and recorder; a fleet of drivers shares a
//! run's load. Starts arrivals at their given times; must not know how the times were made, nor what a report
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

/// The load of the drivers.
pub enum Load {
    /// Journeys at times fixed in advance.
    Open {
        /// Each driver's share of the arrivals. Arrivals that are not started soon after a schedule's end count as
        /// unsent; recorded arrivals are all sent, however late.
        arrivals: Vec<Arrivals>,
    },
    /// Users who wait for their own journeys.
    Closed {
        /// The number of users.
        users: usize,
        /// The pause between one user's journeys.
        think_time: ThinkTime,
        /// How long new journeys are started.
        duration: Duration,
        /// How many drivers share the users; at least 1.
        drivers: usize,
    },
}

/// The input of a run's drivers.
pub struct Assignment {
    /// The scenario to run.
    pub scenario: Arc<Scenario>,
    /// The target of all requests.
    pub target: Target,
    /// How journeys arrive.
    pub load: Load,
    /// Lists (and other variables) beyond the scenario's parameters, for set-up, feeders and templates.
    pub variables: Vars,
    /// Makes choices repeatable.
    pub seed: u64,
    /// Whether to note what is created, for an audit.
    pub notes_writes: bool,
    /// The channel for events.
    pub events: mpsc::UnboundedSender<RunEvent>,
    /// The signal to start, sent after `RunEvent::Ready`.
    pub go: oneshot::Receiver<()>,
    /// When cancelled, no new journeys start.
    pub stop: CancellationToken,
}

/// The state that the tasks of one driver share.
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
    /// Cancelled when a feeder has no more values: no new journeys start.
    exhausted: CancellationToken,
    figures: RefCell<Figures>,
    /// This driver's share of the scenario's limit.
    in_flight_max: usize,
    /// Set only if the run is audited.
    ledger: Option<RefCell<Ledger>>,
    in_flight: Cell<usize>,
    /// Notified when a journey ends while there is no room for another.
    room: Notify,
    started: Cell<u64>,
    /// Seconds of the run whose figures have been sent.
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
