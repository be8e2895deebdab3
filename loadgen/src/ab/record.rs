//! How an experiment was made, as it is written to `ab.json`: its shape is versioned by `schema`. What came of it stands in
//! `comparison.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::AbError;
use super::order::Side;
use super::stopping::End;
use loadgen_report::VerdictResult;
use loadgen_report::compare::blocks::Blocks;

/// The present shape.
pub const SCHEMA: &str = "loadgen-ab/1";
/// Its file in the experiment's folder.
const RECORD_FILE: &str = "ab.json";

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

impl AbRecord {
    /// What people should know of how it went.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let invalid = self.runs.iter().filter(|r| !r.counts).count();
        if invalid > 0 {
            warnings.push(format!(
                "{invalid} runs are left out, because their block is not whole or one of its runs is INVALID"
            ));
        }
        for side in Side::BOTH {
            let own = self.runs.iter().filter(|r| r.side == side && r.counts);
            let failed: Vec<&str> = own
                .filter(|r| r.verdict == VerdictResult::Fail)
                .map(|r| r.folder.as_str())
                .collect();
            if !failed.is_empty() {
                warnings.push(format!(
                    "{}: {} runs FAILED by themselves, whatever their figures ({})",
                    side.letter(),
                    failed.len(),
                    failed.join(", ")
                ));
            }
        }
        if self.ended == Some(End::Interrupted) {
            warnings.push("the experiment was interrupted: only whole blocks are compared".into());
        }
        warnings
    }

    /// Writes it to its file in the experiment's folder, and each side's blocks beside its runs.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn write(&self, out: &Path) -> Result<(), AbError> {
        let path = out.join(RECORD_FILE);
        let written = serde_json::to_string_pretty(self)
            .map_err(std::io::Error::other)
            .and_then(|json| std::fs::write(&path, json + "\n"));
        written.map_err(|e| AbError::not_written(&path, e))?;
        // So that the sides' folders can be compared again by themselves.
        for side in Side::BOTH {
            let counted = self.runs.iter();
            let counted = counted.filter(|r| r.side == side && r.counts);
            let names = counted.filter_map(|r| {
                let name = Path::new(&r.folder).file_name()?;
                Some((name.to_string_lossy().into_owned(), r.block))
            });
            let blocks: BTreeMap<String, u32> = names.collect();
            let folder = out.join(side.folder());
            if !blocks.is_empty() {
                let written = Blocks::new(blocks).write(&folder);
                written.map_err(|e| AbError::not_written(&folder, e))?;
            }
        }
        Ok(())
    }
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
