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

/// A driver's share of one workload's load.
pub enum Load {
    /// Journeys at times fixed in advance.
    Open {
        /// The driver's share of the arrivals. Arrivals that are not started soon after a schedule's end count as
        /// unsent; recorded arrivals are all sent, however late.
        arrivals: Arrivals,
    },
    /// Users who wait for their own journeys.
    Closed {
        /// All users; the driver takes its share of them.
        crowd: Crowd,
        /// The pause between one user's journeys.
        think_time: ThinkTime,
    },
}

/// The input of a run's drivers.
pub struct Assignment {
    /// The scenario to run.
    pub scenario: Arc<Scenario>,
    /// The targets of requests.
    pub targets: Targets,
    /// By driver: its share of each of the scenario's workloads, in their order. At least one driver.
    pub loads: Vec<Vec<Load>>,
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
