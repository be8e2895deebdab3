//! How an experiment was made, as it is written to `ab.json`: its shape is versioned by `schema`. What came of it stands in
//! `comparison.json`.

use serde::{Deserialize, Serialize};

use super::order::Side;
use super::stopping::End;
use crate::report::VerdictResult;

/// The present shape.
pub const SCHEMA: &str = "loadgen-ab/1";

/// An experiment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AbRecord {
    /// `loadgen-ab/1`.
    pub schema: String,
    /// The scenario's name.
    pub scenario: String,
    /// What the order of the blocks and the choices of their runs were made from.
    pub seed: u64,
    /// Unix time in seconds.
    pub started_at: f64,
    /// Since the first run, without warm-up.
    pub elapsed_s: f64,
    /// The baseline.
    pub a: BuildRecord,
    /// The candidate.
    pub b: BuildRecord,
    /// Both are the same, on purpose.
    pub null_control: bool,
    /// Durability that both were started with.
    pub durability: String,
    /// Whether each run was audited.
    pub audit: bool,
    /// At most so many blocks.
    pub blocks_max: u32,
    /// Half of an interval's width that was narrow enough, as a share.
    pub precision: f64,
    /// Time that was not to be exceeded.
    pub budget_s: f64,
    /// Every run in the order of time, the discarded ones left out.
    pub runs: Vec<RunRecord>,
    /// Why it ended; none while it is under way.
    pub ended: Option<End>,
}

/// A side.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuildRecord {
    /// What people call it.
    pub label: String,
    /// What was started, before what every run adds to it.
    pub command: String,
    /// The commit that it was built from, where it was built here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// A run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRecord {
    /// Whose.
    pub side: Side,
    /// Its block, from 1.
    pub block: u32,
    /// Its folder, below the experiment's; in `left-out/` where its block does not count.
    pub folder: String,
    /// What choices were made from: the same for all runs of a block.
    pub seed: u64,
    /// Its own verdict.
    pub verdict: VerdictResult,
    /// Its block is whole and none of its runs INVALID.
    pub counts: bool,
}
