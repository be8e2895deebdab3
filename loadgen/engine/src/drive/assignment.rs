//! What a fleet of drivers is given to carry out.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::clients::Targets;
use super::event::DriverEvent;
use crate::record::ledger::Meanings;
use crate::schedule::{Arrivals, Crowd};
use loadgen_scenario::expression::Vars;
use loadgen_scenario::share::Share;
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

/// The variables that a run begins with.
pub enum Variables {
    /// Lists (and others) beyond the scenario's parameters; set-up is carried out first.
    BeforeSetUp(Vars),
    /// All, as a set-up elsewhere has left them.
    AfterSetUp(Vars),
}

/// The input of a run's drivers.
pub struct Assignment {
    /// The scenario to run.
    pub scenario: Arc<Scenario>,
    /// The targets of requests.
    pub targets: Targets,
    /// The drivers here, at least one: each with its share of the run, and of each of the scenario's workloads, in their order.
    pub loads: Vec<(Share, Vec<Load>)>,
    /// Variables for set-up, feeders and templates.
    pub variables: Variables,
    /// Makes choices repeatable.
    pub seed: u64,
    /// Whether to note what is created, for an audit: by whoever knows what answers mean.
    pub meanings: Option<&'static dyn Meanings>,
    /// The channel for events.
    pub events: mpsc::UnboundedSender<DriverEvent>,
    /// The signal to start, sent after `DriverEvent::Ready`: at this time, or as soon as all drivers are awake.
    pub go: oneshot::Receiver<Option<Instant>>,
    /// When cancelled, no new journeys start.
    pub stop: CancellationToken,
    /// When cancelled, the drivers end at once, and nobody gets their figures; `None` where the process ends instead.
    pub abort: Option<CancellationToken>,
}
