//! The record of how an experiment was made, as written to `ab.json`; the field `schema` is its version. The outcome is in
//! `comparison.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::AbError;
use super::order::Side;
use super::stopping::StopReason;
use crate::out_folder::RECORD_FILE;
use loadgen_report::VerdictResult;
use loadgen_report::compare::blocks::Blocks;
use loadgen_report::folder::write_json;

/// The version that this program writes.
pub const SCHEMA: &str = "loadgen-ab/1";

/// How an experiment was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AbRecord {
    /// Always `loadgen-ab/1`.
    pub schema: String,
    /// The scenario's name.
    pub scenario: String,
    /// The seed of the blocks' order and of the runs' choices.
    pub seed: u64,
    /// Start of the experiment, Unix time in seconds.
    pub started_at: f64,
    /// Seconds since the first run of the first block; the discarded runs before are not included.
    pub elapsed_s: f64,
    /// The sides: `a` is the baseline.
    #[serde(flatten)]
    pub sides: BTreeMap<Side, BuildRecord>,
    /// Whether A and B are the same build on purpose.
    pub null_control: bool,
    /// Whether each run was audited.
    pub audit: bool,
    /// The largest number of blocks.
    pub blocks_max: u32,
    /// Half the width of an interval that is narrow enough, as a share.
    pub precision: f64,
    /// The time budget, in seconds.
    pub budget_s: f64,
    /// Every run in the order of time, without the discarded ones.
    pub runs: Vec<RunRecord>,
    /// Why the experiment ended; `None` while it runs.
    pub ended: Option<StopReason>,
    /// Which agent was lost, and why, if that ended the experiment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

impl AbRecord {
    /// Warnings about the experiment for the reader of the comparison.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let invalid = self.runs.iter().filter(|r| !r.counts).count();
        if invalid > 0 {
            warnings.push(format!(
                "{invalid} runs are left out, because their block is incomplete or one of its runs is INVALID"
            ));
        }
        for side in self.sides.keys().copied() {
            let own = self.runs.iter().filter(|r| r.side == side && r.counts);
            let failed: Vec<&str> = own
                .filter(|r| r.verdict == VerdictResult::Fail)
                .map(|r| r.folder.as_str())
                .collect();
            if !failed.is_empty() {
                warnings.push(format!(
                    "{}: the verdict of {} runs is FAIL, independent of the comparison ({})",
                    side.letter(),
                    failed.len(),
                    failed.join(", ")
                ));
            }
        }
        if self.ended == Some(StopReason::Interrupted) {
            warnings
                .push("the experiment was interrupted: only complete blocks are compared".into());
        }
        warnings
    }

    /// Writes the record to `ab.json` in the experiment's folder, and each side's blocks beside its runs.
    ///
    /// # Errors
    /// A file can't be written.
    pub fn write(&self, out: &Path) -> Result<(), AbError> {
        let path = out.join(RECORD_FILE);
        write_json(&path, self).map_err(|e| AbError::not_written(&path, e))?;
        // With blocks.json the two folders can be compared again later.
        for (side, build) in &self.sides {
            let counted = self.runs.iter();
            let counted = counted.filter(|r| r.side == *side && r.counts);
            let names = counted.filter_map(|r| {
                let name = Path::new(&r.folder).file_name()?;
                Some((name.to_string_lossy().into_owned(), r.block))
            });
            let blocks: BTreeMap<String, u32> = names.collect();
            let folder = out.join(side.folder());
            if !blocks.is_empty() {
                let blocks = Blocks::new(blocks).asked(build.asked.clone());
                let written = blocks.write(&folder);
                written.map_err(|e| AbError::not_written(&folder, e))?;
            }
        }
        Ok(())
    }
}

/// One of the sides.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuildRecord {
    /// The name shown to people.
    pub label: String,
    /// The command that starts the system, without the arguments that each run adds.
    pub command: String,
    /// What the side was asked to have, where sides were asked to differ.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub asked: BTreeMap<String, String>,
    /// The commit that was built, if the build comes from a revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// One run of an experiment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRecord {
    /// The side that was measured.
    pub side: Side,
    /// The number of the run's block, from 1.
    pub block: u32,
    /// The run's folder, relative to the experiment's; in `left-out/` if its block does not count.
    pub folder: String,
    /// The seed of the run's choices, the same for all runs of a block.
    pub seed: u64,
    /// The run's own verdict.
    pub verdict: VerdictResult,
    /// Whether the run's block is complete and has no INVALID run.
    pub counts: bool,
}
