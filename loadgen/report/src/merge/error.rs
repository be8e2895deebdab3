//! Runs that can't be put together.

use std::path::PathBuf;

use crate::folder::FolderError;
use loadgen_engine::record::interval_log::LogWriteError;
use loadgen_engine::record::interval_reader::LogReadError;

/// Runs that can't be put together.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Their scenarios are not the same.
    #[error("{one} and {other} can't be merged: {what} ({left} and {right})")]
    Different {
        /// A folder.
        one: PathBuf,
        /// Another.
        other: PathBuf,
        /// What is different.
        what: &'static str,
        /// In the one.
        left: String,
        /// In the other.
        right: String,
    },
    /// A replay counts every invoice of its export once.
    #[error("{0}: replays can't be merged: each counts all invoices of its export")]
    Replay(PathBuf),
    /// A merged report has no intervals of its own run.
    #[error("{0} is given twice, or is where the merged report is to go")]
    Twice(PathBuf),
    /// A log that can't be used.
    #[error(transparent)]
    Log(#[from] LogReadError),
    /// A log that can't be written.
    #[error("an interval log can't be written: {0}")]
    LogWrite(#[from] LogWriteError),
    /// The merged folder can't be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file that can't be written.
    #[error("{path}: {error}")]
    Output {
        /// Where.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}
