//! The options of an experiment: its two builds and the conditions.

use std::path::PathBuf;

use super::stopping::StoppingRule;
use loadgen_report::compare;
use loadgen_shop::system_process::SystemCommand;

/// One of the two builds.
#[derive(Debug, Clone)]
pub struct Build {
    /// The name shown to people.
    pub label: String,
    /// The command that starts the system.
    pub command: SystemCommand,
    /// The commit that was built, if the build comes from a revision.
    pub revision: Option<String>,
}

/// The options of an experiment.
pub struct AbOptions {
    /// The baseline.
    pub a: Build,
    /// The candidate.
    pub b: Build,
    /// Whether A and B are the same build on purpose.
    pub null_control: bool,
    /// The folder of the experiment; created if it does not exist.
    pub out: PathBuf,
    /// `none`, `everysec` or `always`.
    pub durability: String,
    /// The seed of the blocks' order and of the runs' choices.
    pub seed: u64,
    /// Whether each run is audited.
    pub audit: bool,
    /// Number of threads that drive the load; `None` for the default.
    pub drivers: Option<usize>,
    /// When to stop.
    pub limits: StoppingRule,
    /// How the runs are compared.
    pub compare: compare::Options,
}
