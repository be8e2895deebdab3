//! One side of a comparison: the runs of one build.

use std::collections::BTreeMap;

use super::AskedDifference;
use crate::folder::RunFolder;

/// The runs of one build, in the order in which they were made.
#[derive(Debug, Clone)]
pub struct Group {
    /// The name shown to people: a folder, a revision or a command.
    pub label: String,
    /// The runs.
    pub runs: Vec<RunFolder>,
    /// For interleaved runs (ABBA), the block of each run, as many as there are runs. A block counts if both sides have runs of it. The
    /// runs of a block are averaged, and blocks are then the unit of every statistic.
    pub blocks: Option<Vec<u32>>,
    /// What the side was asked to have, where sides were asked to differ, such as `durability` → `always`.
    pub asked: BTreeMap<String, String>,
}

impl Group {
    /// A group of runs that were not interleaved.
    pub fn new(label: impl Into<String>, runs: Vec<RunFolder>) -> Self {
        Self {
            label: label.into(),
            runs,
            blocks: None,
            asked: BTreeMap::new(),
        }
    }

    /// Sets what the side was asked to have.
    #[must_use]
    pub fn asked(mut self, asked: BTreeMap<String, String>) -> Self {
        self.asked = asked;
        self
    }

    /// The differences to this candidate that were asked for.
    pub fn asked_differences(&self, candidate: &Self) -> Vec<AskedDifference> {
        let differing = self.asked.iter().filter_map(|(what, of_baseline)| {
            let of_candidate = candidate.asked.get(what)?;
            (of_baseline != of_candidate).then(|| AskedDifference {
                what: what.clone(),
                baseline: of_baseline.clone(),
                candidate: of_candidate.clone(),
            })
        });
        differing.collect()
    }

    /// Sets the block of each run.
    #[must_use]
    pub fn in_blocks(mut self, blocks: Vec<u32>) -> Self {
        self.blocks = Some(blocks);
        self
    }
}
