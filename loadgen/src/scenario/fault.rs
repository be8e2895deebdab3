//! What goes wrong on purpose, and when. Must not know how it is done.

use std::fmt;
use std::time::Duration;

/// The whole server of the system's data.
pub const REDIS: &str = "redis";
/// Every process of the system but its Redis.
pub const SYSTEM: &str = "system";

/// A fault in the course of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// From the start of the workload.
    pub at: Duration,
    /// What is done.
    pub action: FaultAction,
    /// File and line, for whoever has to be told that it can't be done.
    pub place: String,
}

/// What is done.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultAction {
    /// The process stands still for so long.
    Pause {
        /// `redis`, `system`, or a service.
        process: String,
        /// For so long.
        length: Duration,
    },
    /// The process ends without a moment to prepare; its supervisor starts it again.
    Kill {
        /// A service.
        process: String,
    },
    /// A command for the shell.
    Run {
        /// As it stands in the scenario.
        command: String,
    },
}

/// In words, as reports show it.
impl fmt::Display for FaultAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause { process, length } => write!(f, "pause {process} for {length:?}"),
            Self::Kill { process } => write!(f, "kill {process}"),
            Self::Run { command } => write!(f, "run {command}"),
        }
    }
}
