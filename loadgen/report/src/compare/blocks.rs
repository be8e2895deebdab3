//! The file `blocks.json` in the folder of one side's runs: the block of each run, for runs that were interleaved.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::CompareError;
use crate::folder::write_json;

/// The file's name.
pub const BLOCKS_FILE: &str = "blocks.json";
/// The version that this program writes and reads.
pub const COMPARISON_SCHEMA: &str = "loadgen-blocks/1";

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    /// Always `loadgen-blocks/1`.
    pub schema: String,
    /// The block of each run, by the name of the run's folder.
    pub blocks: BTreeMap<String, u32>,
    /// What this side was asked to have, where sides were asked to differ.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub asked: BTreeMap<String, String>,
}

impl Blocks {
    /// The file's content for these runs.
    pub fn new(blocks: BTreeMap<String, u32>) -> Self {
        Self {
            schema: COMPARISON_SCHEMA.to_owned(),
            blocks,
            asked: BTreeMap::new(),
        }
    }

    /// Sets what the side was asked to have.
    #[must_use]
    pub fn asked(mut self, asked: BTreeMap<String, String>) -> Self {
        self.asked = asked;
        self
    }

    /// Writes the file beside the runs.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        write_json(&folder.join(BLOCKS_FILE), self)
    }

    /// Reads the file; `None` if there is no such file.
    ///
    /// # Errors
    /// The file is not JSON of this schema.
    pub fn read(folder: &Path) -> Result<Option<Self>, CompareError> {
        let path = folder.join(BLOCKS_FILE);
        let Ok(text) = std::fs::read_to_string(&path) else {
            return Ok(None);
        };
        let wrong = |what: String| CompareError::Blocks(format!("{}: {what}", path.display()));
        let blocks: Self = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        match blocks.schema == COMPARISON_SCHEMA {
            true => Ok(Some(blocks)),
            false => Err(wrong(format!(
                "the schema is `{}`; this program reads {COMPARISON_SCHEMA}",
                blocks.schema
            ))),
        }
    }
}
