//! What the tasks of one driver share.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::clients::Clients;
use super::notes::Notes;
use super::pauses::Pauses;
use super::shared_values::SharedValues;
use crate::budget::{Sampler, following::Following};
use crate::feed::Feed;
use crate::record::Figures;
use loadgen_scenario::Scenario;
use loadgen_scenario::expression::{Scope, Vars};
use loadgen_scenario::feeder;
use loadgen_scenario::share::Share;

/// The state that the tasks of one driver share.
pub struct Context {
    pub scenario: Arc<Scenario>,
    pub share: Share,
    pub clients: Clients,
    pub feed: Option<Feed>,
    pub sampler: Sampler,
    pub following: Following,
    pub pauses: Pauses,
    /// Parameters and lists.
    pub globals: Arc<Vars>,
    pub feeders: RefCell<Vec<feeder::FeederCursor>>,
    pub shared: SharedValues,
    pub figures: RefCell<Figures>,
    /// This driver's share of the scenario's limit, which each workload has for itself: a slow one must not make another drop arrivals.
    pub in_flight_max: usize,
    /// What is under way, by workload.
    pub workloads: Vec<UnderWay>,
    /// Set only if the run is audited.
    pub notes: Option<Notes>,
    pub started: Cell<u64>,
    /// Seconds of the run whose figures have been sent.
    pub reported_s: Cell<u64>,
    pub seed: u64,
}

/// What is under way of one workload.
pub struct UnderWay {
    /// Its journeys in flight.
    pub in_flight: Cell<usize>,
    /// Notified when a journey ends while there is no room for another.
    pub room: Notify,
    /// Cancelled when no new journeys start: the run is stopped, or a feeder has no more values.
    pub stop: CancellationToken,
    /// When the last of its journeys that have ended did so.
    pub last_end: Cell<Option<Instant>>,
}

impl UnderWay {
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            in_flight: Cell::new(0),
            room: Notify::new(),
            stop,
            last_end: Cell::new(None),
        }
    }
}

impl Context {
    pub fn rng(&self, number: u64) -> SmallRng {
        // Spreads neighbouring numbers over the seeds (the golden ratio's bits).
        SmallRng::seed_from_u64(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn scope<'a>(layers: &'a [&'a Vars], rng: &'a mut SmallRng) -> Scope<'a> {
        Scope { layers, rng }
    }

    /// Journeys in flight, of all workloads.
    pub fn in_flight(&self) -> usize {
        self.workloads.iter().map(|w| w.in_flight.get()).sum()
    }

    pub fn has_room(&self, workload: usize) -> bool {
        self.workloads[workload].in_flight.get() < self.in_flight_max
    }

    pub fn journey_begins(&self, workload: usize) {
        let in_flight = &self.workloads[workload].in_flight;
        in_flight.set(in_flight.get() + 1);
        self.started.set(self.started.get() + 1);
    }

    pub fn journey_ends(&self, workload: usize, at: Instant) {
        let has_room = self.has_room(workload);
        let under_way = &self.workloads[workload];
        if !has_room {
            under_way.room.notify_one();
        }
        under_way.in_flight.set(under_way.in_flight.get() - 1);
        under_way
            .last_end
            .set(under_way.last_end.get().max(Some(at)));
    }
}
