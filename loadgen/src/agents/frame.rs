//! What the machine that leads a run and an agent say to each other. Both are of the same version, so that only the first frame of each side
//! must never change.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Moment;
use loadgen_engine::drive::{Finished, Interval, Refusal};
use loadgen_scenario::expression::Vars;
use loadgen_scenario::share::Share;
use loadgen_scenario::{Sources, Stage};

/// The version that both sides must have.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// To an agent.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToAgent {
    /// The first frame.
    Hello { version: String },
    /// The second frame: sent only to what has answered as an agent does.
    Token(Option<String>),
    /// Nothing: the connection is alive.
    Alive,
    /// What time is it?
    Clock,
    /// What it will drive.
    Assigned(Box<Assigned>),
    /// The variables that set-up has made: connect, and say when ready.
    Prepared(Vars),
    /// Start when the agent's monotonic clock shows this.
    Start { clock_us: i64 },
    /// The schedule from now on: somebody holds it, or resumes it.
    Schedule(Vec<Stage>),
    /// Start no new journeys.
    Stop,
}

/// An agent's part of a run.
#[derive(Serialize, Deserialize)]
pub struct Assigned {
    /// The scenario.
    pub sources: Sources,
    /// The URL of the main target.
    pub target: String,
    /// Makes choices repeatable.
    pub seed: u64,
    /// Whether what is created is noted, for an audit.
    pub noted: bool,
    /// The shares of its drivers: index, and of how many in the run.
    pub shares: Vec<(usize, usize)>,
}

impl Assigned {
    /// The shares of its drivers.
    pub fn shares(&self) -> impl Iterator<Item = Share> {
        let shares = self.shares.iter();
        shares.map(|(index, of)| Share {
            index: *index,
            of: *of,
        })
    }
}

/// From an agent.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromAgent {
    /// The first frame.
    Agent { version: String },
    /// It won't, for this reason.
    Refused(String),
    /// The token was right, and nobody else uses it.
    Welcome { cores: usize },
    /// Nothing: the connection is alive.
    Alive,
    /// The time.
    Clock(Moment),
    /// The scenario is read, and all of its targets were reached.
    Reached,
    /// Its drivers wait for the start.
    Ready,
    /// An interval, of all of its drivers.
    Interval {
        interval: Box<Interval>,
        /// CPU of its process since the last interval, in percent of a core.
        cpu_pct: f64,
    },
    /// No new journeys start; those in flight end.
    Draining { in_flight: usize },
    /// A warning for the report.
    Warning(String),
    /// Its drivers have ended.
    Finished {
        finished: Box<Finished>,
        /// CPU time of its process since the start.
        process_cpu: Duration,
    },
    /// It can't go on.
    Failed(Refusal),
}
