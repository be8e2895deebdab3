//! One side of a comparison: the runs of one build.

use crate::folder::RunFolder;

/// Runs of one build, in the order in which they were made.
#[derive(Debug, Clone)]
pub struct Group {
    /// What people call it: a folder's name, a revision, a command.
    pub label: String,
    /// Its runs.
    pub runs: Vec<RunFolder>,
    /// For interleaved runs (ABBA): the block that each run belongs to, as many as there are runs. A block is used when both sides
    /// have runs of it; its runs are averaged, and blocks are then the unit of every statistic.
    pub blocks: Option<Vec<u32>>,
}

impl Group {
    /// Runs that were made by themselves.
    pub fn new(label: impl Into<String>, runs: Vec<RunFolder>) -> Self {
        Self {
            label: label.into(),
            runs,
            blocks: None,
        }
    }

    /// Says which block each run belongs to.
    #[must_use]
    pub fn in_blocks(mut self, blocks: Vec<u32>) -> Self {
        self.blocks = Some(blocks);
        self
    }
}
