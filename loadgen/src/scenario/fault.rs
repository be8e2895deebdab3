//! Planned faults: what goes wrong on purpose, and when. Must not know how a fault is carried out.

use std::fmt;
use std::time::Duration;

/// The name of the Redis server that holds the system's data.
pub const REDIS: &str = "redis";
/// The name for every process of the system except its Redis.
pub const SYSTEM: &str = "system";

/// A planned fault of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Time since the start of the workload.
    pub at: Duration,
    /// What the fault does.
    pub action: FaultAction,
    /// File and line in the scenario, for error messages.
    pub place: String,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultAction {
    /// Stops the process (SIGSTOP) and continues it after `length`.
    Pause {
        /// `redis`, `system`, or a service.
        process: String,
        /// How long the process is stopped.
        length: Duration,
    },
    /// Kills the process (SIGKILL); its supervisor starts it again.
    Kill {
        /// A service's name.
        process: String,
    },
    /// Runs a shell command.
    Run {
        /// The command line, as written in the scenario.
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
