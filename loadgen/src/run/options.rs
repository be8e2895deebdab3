//! How a run is made, and why one could not be carried out.

use std::path::PathBuf;

use tokio::sync::mpsc::UnboundedReceiver;

use crate::http_client::TlsOptions;
use crate::record::interval_log::LogWriteError;
use crate::run_event::{Listener, Refusal, Wish};
use crate::system_process::{SystemCommand, SystemError};

/// How a run is made.
pub struct RunOptions {
    /// `http://host:port` or `https://…` of a running system; without one `ordershop up` is started and stopped.
    pub target: Option<String>,
    /// Whose certificates are believed, for an `https://` target.
    pub tls: TlsOptions,
    /// Threads that drive the load; without a number as many as the scenario asks for and the machine can spare.
    pub drivers: Option<usize>,
    /// Makes choices repeatable.
    pub seed: u64,
    /// Where the report goes; made if it does not exist.
    pub out: PathBuf,
    /// `none`, `everysec` or `always`, for a system that is started here.
    pub durability: String,
    /// Whether the target is audited after the run, where the scenario wants that.
    pub audit: bool,
    /// What starts a system; without it `ordershop up`, from beside this program or PATH.
    pub system: Option<SystemCommand>,
    /// Recorded orders (CSV), for a scenario that replays them.
    pub trace: Option<PathBuf>,
    /// So many times faster than recorded; 1 without.
    pub speed: Option<f64>,
    /// Who looks on.
    pub audience: Audience,
}

/// Who is told of a run while it is under way, and what they ask for.
#[derive(Default)]
pub struct Audience {
    /// Told of every event, one after the other.
    pub listeners: Vec<Box<dyn Listener>>,
    /// Where wishes come from, beside signals. With it the ramp can be held.
    pub wishes: Option<UnboundedReceiver<Wish>>,
}

/// A run that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What was asked for can't be done.
    #[error("{0}")]
    BadInput(String),
    /// The target failed before anything was measured.
    #[error("{0}")]
    SetUp(String),
    /// Somebody wished that it ends, before anything was measured.
    #[error("stopped before the start: no report")]
    Stopped,
    /// Somebody wished it a second time.
    #[error("left at once: no report")]
    Left,
    /// The report can't be written.
    #[error("{path}: {error}")]
    Output {
        /// Where.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
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
            Self::SetUp(_) | Self::Stopped | Self::Left => 1,
            Self::BadInput(_) | Self::Output { .. } | Self::Log(_) => 2,
        }
    }
}
