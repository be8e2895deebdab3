//! The errors of an experiment, and their exit codes.

use std::path::{Path, PathBuf};

use super::revision::RevisionError;
use crate::out_folder::OutFolderError;
use crate::run::RunError;
use crate::terminal::UNWRITTEN;
use loadgen_report::compare::CompareError;
use loadgen_report::folder::FolderError;

/// Why an experiment has no comparison.
#[derive(Debug, thiserror::Error)]
pub enum AbError {
    /// The scenario can't be run.
    #[error("{0}")]
    Scenario(String),
    /// A revision can't be built.
    #[error(transparent)]
    Revision(#[from] RevisionError),
    /// A run failed.
    #[error("{letter} ({label}): {error}")]
    Run {
        /// The side: A or B.
        letter: char,
        /// The side's name.
        label: String,
        /// The cause.
        error: RunError,
    },
    /// The folder of a finished run can't be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file or folder can't be written, moved or removed.
    #[error("{path}: {error}")]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// A run can't have its folder.
    #[error(transparent)]
    OutFolder(#[from] OutFolderError),
    /// The runs can't be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// Ctrl-C was pressed twice.
    #[error("stopped at once by the second Ctrl-C; nothing was compared")]
    Aborted,
    /// There is no complete block without an INVALID run.
    #[error("{0}: no block is complete, so there is nothing to compare; the runs are in {folder}", folder = .1.display())]
    NoBlocks(String, PathBuf),
}

impl AbError {
    /// The program's exit code: 3 if better runs would help, else 2.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoBlocks(..) | Self::Aborted | Self::Revision(RevisionError::Interrupted(_)) => 3,
            Self::Compare(error) => error.exit_code(),
            Self::OutFolder(error) => error.exit_code(),
            Self::Run { error, .. } if error.exit_code() == UNWRITTEN => UNWRITTEN,
            Self::Output { .. } => UNWRITTEN,
            _ => 2,
        }
    }

    /// The error of a file or folder that can't be written, moved or removed.
    pub(super) fn not_written(path: &Path, error: std::io::Error) -> Self {
        Self::Output {
            path: path.to_owned(),
            error,
        }
    }
}
