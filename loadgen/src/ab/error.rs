//! Why there is no comparison, and the exit code of each reason.

use std::path::{Path, PathBuf};

use super::revision::RevisionError;
use crate::run::RunError;
use loadgen_report::compare::CompareError;
use loadgen_report::folder::FolderError;

/// An experiment that came to no comparison.
#[derive(Debug, thiserror::Error)]
pub enum AbError {
    /// The scenario can't be run.
    #[error("{0}")]
    Scenario(String),
    /// A revision can't be built.
    #[error(transparent)]
    Revision(#[from] RevisionError),
    /// A run could not be carried out.
    #[error("{letter} ({label}): {error}")]
    Run {
        /// Whose.
        letter: char,
        /// What people call it.
        label: String,
        /// Why.
        error: RunError,
    },
    /// What a run left can't be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Something can't be written.
    #[error("{path}: {error}")]
    Output {
        /// Where.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The runs can't be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// The second Ctrl-C.
    #[error("left at once: nothing is compared")]
    Left,
    /// No block counts.
    #[error("{0}: no block is whole, so there is nothing to compare; what was measured is in {folder}", folder = .1.display())]
    NoBlocks(String, PathBuf),
}

impl AbError {
    /// The program's exit code: 3 where better runs would do, else 2.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoBlocks(..) | Self::Left | Self::Revision(RevisionError::Interrupted(_)) => 3,
            Self::Compare(error) => error.exit_code(),
            _ => 2,
        }
    }

    /// For what could not be written, moved or removed.
    pub(super) fn not_written(path: &Path, error: std::io::Error) -> Self {
        Self::Output {
            path: path.to_owned(),
            error,
        }
    }
}
