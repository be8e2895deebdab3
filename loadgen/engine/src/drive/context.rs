//! What the tasks of one driver share.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

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
    /// Cancelled when a feeder has no more values: no new journeys start.
    pub exhausted: CancellationToken,
    pub figures: RefCell<Figures>,
    /// This driver's share of the scenario's limit.
    pub in_flight_max: usize,
    /// Set only if the run is audited.
    pub notes: Option<Notes>,
    pub in_flight: Cell<usize>,
    /// Notified when a journey ends while there is no room for another.
    pub room: Notify,
    pub started: Cell<u64>,
    /// Seconds of the run whose figures have been sent.
    pub reported_s: Cell<u64>,
    pub seed: u64,
}

impl Context {
    pub fn rng(&self, number: u64) -> SmallRng {
        // Spreads neighbouring numbers over the seeds (the golden ratio's bits).
        SmallRng::seed_from_u64(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn scope<'a>(layers: &'a [&'a Vars], rng: &'a mut SmallRng) -> Scope<'a> {
        Scope { layers, rng }
    }

    pub fn has_room(&self) -> bool {
        self.in_flight.get() < self.in_flight_max
    }

    pub fn journey_begins(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
        self.started.set(self.started.get() + 1);
    }

    pub fn journey_ends(&self) {
        if !self.has_room() {
            self.room.notify_one();
        }
        self.in_flight.set(self.in_flight.get() - 1);
    }
}
