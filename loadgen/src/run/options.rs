//! The options of a run, and the errors that prevent one.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use crate::agents::Agents;
use crate::out_folder::{OutFolder, OutFolderError};
use crate::run_event::{Listener, Wish};
use crate::terminal::UNWRITTEN;
use loadgen_engine::drive::Refusal;
use loadgen_engine::http_client::ConnectOptions;
use loadgen_engine::record::interval_log::LogWriteError;
use loadgen_report::{Report, VerdictResult};
use loadgen_shop::system_process::{SystemError, SystemPlan};

/// The options of a run.
pub struct RunOptions {
    /// `http://host:port` or `https://…` of a running system; without one `ordershop up` is started and stopped.
    pub target: Option<String>,
    /// How the target is reached: TLS, and a proxy.
    pub connect: ConnectOptions,
    /// Threads that drive the load, of each agent; by default as many as the scenario needs and the machine can spare.
    pub drivers: Option<usize>,
    /// Who drives the load in the place of this process.
    pub agents: Option<Arc<Agents>>,
    /// Makes choices repeatable.
    pub seed: u64,
    /// The report's folder.
    pub out: OutFolder,
    /// Whether the target is audited after the run, if the scenario asks for it.
    pub audit: bool,
    /// The system to start if there is no target; by default `ordershop up`, from beside this program or PATH, on a Redis of its own.
    pub system: Option<SystemPlan>,
    /// Recorded orders (CSV), for a scenario that replays them.
    pub trace: Option<PathBuf>,
    /// How many times faster than recorded; 1 by default.
    pub speed: Option<f64>,
    /// Whether the CPU of a system that is started here is sampled.
    pub profile: bool,
    /// The run's listeners and their wishes.
    pub observers: RunObservers,
}

/// The listeners of a run, and the wishes that they send.
#[derive(Default)]
pub struct RunObservers {
    /// The listeners; each gets every event, in order.
    pub listeners: Vec<Box<dyn Listener>>,
    /// The channel of wishes, besides signals. With it the ramp can be held.
    pub wishes: Option<UnboundedReceiver<Wish>>,
}

/// A run that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The options or the scenario can't be carried out.
    #[error("{0}")]
    BadInput(String),
    /// The target failed before anything was measured.
    #[error("{0}")]
    SetUp(String),
    /// An agent was lost before anything was measured.
    #[error("{0}")]
    AgentLost(String),
    /// The user stopped the run before anything was measured.
    #[error("stopped before the start: no report")]
    Stopped,
    /// The user stopped the run a second time.
    #[error("stopped at once: no report")]
    Aborted,
    /// The run can't have its folder.
    #[error(transparent)]
    OutFolder(#[from] OutFolderError),
    /// The run has ended, but its report is not, or not wholly, in its folder.
    #[error("the report can't be written to {}: {problem}", path.display())]
    Unwritten {
        /// The folder.
        path: PathBuf,
        /// The cause.
        problem: String,
        /// The report.
        report: Box<Report>,
    },
    /// An interval log can't be written.
    #[error("an interval log can't be written: {0}")]
    Log(#[from] LogWriteError),
}

impl From<Refusal> for RunError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::BadInput(problem) => Self::BadInput(problem),
            Refusal::SetUp(problem) => Self::SetUp(problem),
            Refusal::Lost(problem) => Self::AgentLost(problem),
        }
    }
}

impl From<SystemError> for RunError {
    fn from(error: SystemError) -> Self {
        Self::BadInput(error.to_string())
    }
}

impl RunError {
    /// The program's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::SetUp(_) => 1,
            Self::AgentLost(_) => VerdictResult::Invalid.exit_code(),
            Self::Stopped | Self::Aborted => VerdictResult::Interrupted.exit_code(),
            Self::BadInput(_) => 2,
            Self::OutFolder(error) => error.exit_code(),
            Self::Unwritten { .. } | Self::Log(_) => UNWRITTEN,
        }
    }
}
