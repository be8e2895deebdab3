//! One side of a comparison: the runs of one build.

use crate::report::folder::RunFolder;

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
}

impl Group {
    /// A group of runs that were not interleaved.
    pub fn new(label: impl Into<String>, runs: Vec<RunFolder>) -> Self {
        Self {
            label: label.into(),
            runs,
            blocks: None,
        }
    }

    /// Sets the block of each run.
    #[must_use]
    pub fn in_blocks(mut self, blocks: Vec<u32>) -> Self {
        self.blocks = Some(blocks);
        self
    }
}
