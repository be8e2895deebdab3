//! Why two groups could not be compared.

use std::path::PathBuf;

use crate::folder::FolderError;

/// What can't be compared, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A group without runs.
    #[error(
        "{group}: there are no runs in it; give a run's folder (it holds a report.json) or a folder of such folders"
    )]
    Empty {
        /// Its label.
        group: String,
    },
    /// No such file or folder.
    #[error("{0}: there is no such file or folder")]
    Missing(PathBuf),
    /// A file that is no run's.
    #[error(
        "{0}: not a run; give a run's folder, its report.json, or a folder of runs (several by commas)"
    )]
    NoRun(PathBuf),
    /// A folder that can't be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A report that can't be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A run that is on both sides, or twice on one.
    #[error("{0} is given twice: a run compared with itself is always the same")]
    Twice(PathBuf),
    /// Runs of different things.
    #[error("these runs are not comparable:\n{}\n{hint}", .differences.join("\n"))]
    Different {
        /// What differs, a line each.
        differences: Vec<String>,
        /// What would be right.
        hint: String,
    },
    /// The generator could not keep up: such a run's figures say nothing.
    #[error(
        "INVALID runs say nothing about the system:\n{}\nmake them again on a quieter machine or at a lower rate, or take them as they are with --allow-invalid",
        .0.join("\n")
    )]
    Invalid(Vec<String>),
    /// An option that can't be used.
    #[error("{0}")]
    Options(String),
    /// Blocks that don't fit the runs.
    #[error("{0}")]
    Blocks(String),
}

impl CompareError {
    /// The program's exit code: 3 where better runs would do, else 2.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Invalid(_) => 3,
            _ => 2,
        }
    }
}
