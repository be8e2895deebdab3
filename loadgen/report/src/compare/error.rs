//! The errors of a comparison.

use std::path::PathBuf;

use crate::folder::FolderError;

/// Why two groups can't be compared; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The group has no runs.
    #[error(
        "{group}: there are no runs in this folder; give a run's folder (it holds a report.json) or a folder of such folders"
    )]
    Empty {
        /// The group's label.
        group: String,
    },
    /// The file or folder does not exist.
    #[error("{0}: there is no such file or folder")]
    Missing(PathBuf),
    /// The file is not a run's report.
    #[error(
        "{0}: not a run; give a run's folder, its report.json, or a folder of runs (separate several by commas)"
    )]
    NoRun(PathBuf),
    /// The file or folder can't be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// A run's folder can't be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A run is on both sides, or twice on one side.
    #[error("{0} is given twice; name each run once")]
    Twice(PathBuf),
    /// Two folders have the figures of one run.
    #[error(
        "{0} and {1} have the figures of one run: a copy is no other run, nor is a part of a merged one; give runs that were made one by one"
    )]
    Copied(PathBuf, PathBuf),
    /// The runs differ in something that must be the same.
    #[error("these runs are not comparable:\n{}\n{hint}", .differences.join("\n"))]
    Different {
        /// One line for each difference.
        differences: Vec<String>,
        /// What to do.
        hint: String,
    },
    /// Some runs are INVALID, so their figures say nothing about the system.
    #[error(
        "INVALID runs say nothing about the system:\n{}\nmake them again on a quieter machine or at a lower rate, or use them anyway with --allow-invalid",
        .0.join("\n")
    )]
    Invalid(Vec<String>),
    /// An option has a wrong value.
    #[error("{0}")]
    Options(String),
    /// The blocks don't match the runs.
    #[error("{0}")]
    Blocks(String),
}

impl CompareError {
    /// The program's exit code: 3 if better runs would help, else 2.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Invalid(_) => 3,
            _ => 2,
        }
    }
}
