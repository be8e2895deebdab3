//! The options of an experiment: its sides and the conditions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::stopping::StoppingRule;
use crate::agents::Agents;
use loadgen_report::compare;
use loadgen_shop::system_process::SystemPlan;

/// One of the sides: a build, and what it runs on.
#[derive(Debug, Clone)]
pub struct Build {
    /// The name shown to people.
    pub label: String,
    /// How the system is started.
    pub plan: SystemPlan,
    /// What the side was asked to have, where sides were asked to differ.
    pub asked: BTreeMap<String, String>,
    /// The commit that was built, if the build comes from a revision.
    pub revision: Option<String>,
}

/// The options of an experiment.
pub struct AbOptions {
    /// The sides, 2 to 8, the baseline first.
    pub sides: Vec<Build>,
    /// Whether A and B are the same build on purpose.
    pub null_control: bool,
    /// The folder of the experiment; created if it does not exist.
    pub out: PathBuf,
    /// The seed of the blocks' order and of the runs' choices.
    pub seed: u64,
    /// Whether each run is audited.
    pub audit: bool,
    /// Who drives the load of all runs in the place of this process.
    pub agents: Option<Arc<Agents>>,
    /// Number of threads that drive the load, of each agent; `None` for the default.
    pub drivers: Option<usize>,
    /// When to stop.
    pub limits: StoppingRule,
    /// How the runs are compared.
    pub compare: compare::Options,
}
