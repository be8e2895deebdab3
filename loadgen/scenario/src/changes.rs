//! Changes to a scenario from the command line: what is asked for. Plain data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A value for the workload of this name; no name for the only workload.
pub type Named<T> = (Option<String>, T);

/// Changes to a scenario from the command line.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Overrides {
    /// Journeys a second of the workload of this name; stages are scaled so that their highest rate is this one.
    pub rates: Vec<Named<f64>>,
    /// How long journeys are started; stages and the times at which workloads start are stretched.
    pub duration: Option<Duration>,
    /// Users of the closed workload of this name; stages are scaled so that their highest number is this one.
    pub users: Vec<Named<usize>>,
    /// The share of journeys that may fail, 0 to 1; besides the scenario's own thresholds.
    pub error_rate_max: Option<f64>,
    /// Parameters by name; the text is parsed as JSON if it is JSON.
    pub parameters: Vec<(String, String)>,
    /// URLs of named targets, by name.
    pub targets: Vec<(String, String)>,
}

/// A change of a scenario that was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Change {
    /// By the command line's options.
    Overrides(Box<Overrides>),
    /// To a probe at one rate.
    Probe {
        rate: f64,
        duration: Duration,
        warm_up: Duration,
    },
}
