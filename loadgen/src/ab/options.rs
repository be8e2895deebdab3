//! How an experiment is made: of which builds, under which conditions.

use std::path::PathBuf;

use super::stopping::Limits;
use loadgen_report::compare;
use loadgen_shop::system_process::SystemCommand;

/// One of the two builds.
#[derive(Debug, Clone)]
pub struct Build {
    /// What people call it.
    pub label: String,
    /// What starts it.
    pub command: SystemCommand,
    /// The commit that it was built from, where it was built here.
    pub revision: Option<String>,
}

/// How an experiment is made.
pub struct AbOptions {
    /// The baseline.
    pub a: Build,
    /// The candidate.
    pub b: Build,
    /// Both are the same, on purpose.
    pub null_control: bool,
    /// Where everything goes; made if it does not exist.
    pub out: PathBuf,
    /// `none`, `everysec` or `always`.
    pub durability: String,
    /// What orders and choices are made from.
    pub seed: u64,
    /// Whether each run is audited.
    pub audit: bool,
    /// Threads that drive the load, if not as many as the scenario asks for.
    pub drivers: Option<usize>,
    /// How long to go on.
    pub limits: Limits,
    /// How the runs are compared.
    pub compare: compare::Options,
}
