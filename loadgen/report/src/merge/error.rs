//! The error of runs that can't be merged.

use std::path::PathBuf;

use crate::folder::FolderError;
use loadgen_engine::record::interval_log::LogWriteError;
use loadgen_engine::record::interval_reader::LogReadError;

/// Why runs can't be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The runs are of different scenarios or workloads.
    #[error("{one} and {other} can't be merged: {what} ({left} and {right})")]
    Different {
        /// The first run's folder.
        one: PathBuf,
        /// The second run's folder.
        other: PathBuf,
        /// What differs.
        what: &'static str,
        /// The value of the first run.
        left: String,
        /// The value of the second run.
        right: String,
    },
    /// A run is a replay, which counts every invoice of its export once.
    #[error("{0}: replays can't be merged: each counts all invoices of its export")]
    Replay(PathBuf),
    /// A run has several workloads, whose distributions are in no log of their own.
    #[error(
        "{0}: runs of [[workloads]] can't be merged: the distributions of a workload are not recorded by the second; give one generator several drivers (--drivers) instead"
    )]
    Workloads(PathBuf),
    /// A folder is given twice, or is also the output folder.
    #[error("{0} is given twice, or is also the folder of --out; give each folder once")]
    Twice(PathBuf),
    /// Two folders have the figures of one run.
    #[error(
        "{0} and {1} have the figures of one run, which would be counted twice: a copy is no other generator"
    )]
    Copied(PathBuf, PathBuf),
    /// Two runs were not made together.
    #[error(
        "{one} and {other} can't be merged: of {of_s:.1} s that were measured, both ran for {together_s:.1} s only; generators that ran at the same time are merged, others are compared (loadgen compare)"
    )]
    Apart {
        /// The first run's folder.
        one: PathBuf,
        /// The second run's folder.
        other: PathBuf,
        /// How long both were measured, in seconds.
        together_s: f64,
        /// How long the longer one was measured, in seconds.
        of_s: f64,
    },
    /// An interval log can't be read.
    #[error(transparent)]
    Log(#[from] LogReadError),
    /// An interval log can't be written.
    #[error("an interval log can't be written: {0}")]
    LogWrite(#[from] LogWriteError),
    /// The merged folder can't be read back.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file can't be written.
    #[error("{path}: {error}")]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
}
