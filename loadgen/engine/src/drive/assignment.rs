//! What a fleet of drivers is given to carry out.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::clients::Targets;
use super::event::DriverEvent;
use crate::record::ledger::Meanings;
use crate::schedule::{Arrivals, Crowd};
use loadgen_scenario::expression::Vars;
use loadgen_scenario::{Scenario, ThinkTime};

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
        /// All users; each driver has its share of them.
        crowd: Crowd,
        /// The pause between one user's journeys.
        think_time: ThinkTime,
        /// How many drivers share the users; at least 1.
        drivers: usize,
    },
}

/// The input of a run's drivers.
pub struct Assignment {
    /// The scenario to run.
    pub scenario: Arc<Scenario>,
    /// The targets of requests.
    pub targets: Targets,
    /// How journeys arrive.
    pub load: Load,
    /// Lists (and other variables) beyond the scenario's parameters, for set-up, feeders and templates.
    pub variables: Vars,
    /// Makes choices repeatable.
    pub seed: u64,
    /// Whether to note what is created, for an audit: by whoever knows what answers mean.
    pub meanings: Option<&'static dyn Meanings>,
    /// The channel for events.
    pub events: mpsc::UnboundedSender<DriverEvent>,
    /// The signal to start, sent after `DriverEvent::Ready`.
    pub go: oneshot::Receiver<()>,
    /// When cancelled, no new journeys start.
    pub stop: CancellationToken,
}
