//! Measures two builds, or the same on several servers or with several settings, in turns, in ABBA blocks, each run with a fresh system, Redis and data folder, until the leading figures' intervals
//! are narrow enough or the budget is used up. Knows runs and the comparison; must not know how they are shown.

mod display;
mod error;
mod experiment;
mod options;
mod order;
mod record;
mod revision;
mod stopping;

pub use error::AbError;
pub use experiment::{ExperimentOutcome, experiment};
pub use options::{AbOptions, Build};
pub use order::{RUNS_A_SIDE, Side, blocks};
pub use record::{AbRecord, BuildRecord, RunRecord, SCHEMA};
pub use revision::{Built, Repository, RevisionError};
pub use stopping::{BLOCKS_MIN, ExperimentProgress, StopReason, StoppingRule};
