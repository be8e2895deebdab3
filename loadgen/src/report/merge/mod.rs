//! Merges the reports of several generators of one run: counts are added up, distributions are merged interval by interval, and nothing
//! is averaged. Runs of different scenarios are refused.

mod figures;
mod logs;
mod thresholds;

use std::path::{Path, PathBuf};

pub(crate) use thresholds::figure as figure_of;

use super::Report;
use super::folder::{FolderError, RunFolder, log_names, write_report};
use crate::record::interval_log::LogWriteError;
use crate::record::interval_reader::LogReadError;

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
    /// A folder is given twice, or is also the output folder.
    #[error("{0} is given twice, or is also the folder of --out; give each folder once")]
    Twice(PathBuf),
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

/// Merges runs into a new folder and reads it back.
///
/// # Errors
/// The runs are of different scenarios, a log is missing or broken, or the folder can't be written.
pub fn merge(parts: &[RunFolder], out: &Path) -> Result<RunFolder, MergeError> {
    let mut parts: Vec<&RunFolder> = parts.iter().collect();
    parts.sort_by(|a, b| a.report.started_at.total_cmp(&b.report.started_at));
    check(&parts, out)?;
    let output = |error| MergeError::Output {
        path: out.to_owned(),
        error,
    };
    std::fs::create_dir_all(out).map_err(output)?;
    let totals = logs::merge(&parts, out)?;
    let report = figures::merge(&parts, &totals);
    write_report(&report, out).map_err(output)?;
    Ok(RunFolder::open(out)?)
}

fn check(parts: &[&RunFolder], out: &Path) -> Result<(), MergeError> {
    let place = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut places = vec![place(out)];
    for part in parts {
        let path = place(&part.path);
        if places.contains(&path) {
            return Err(MergeError::Twice(part.path.clone()));
        }
        places.push(path);
        if part.report.replay.is_some() {
            return Err(MergeError::Replay(part.path.clone()));
        }
    }
    type Trait = fn(&Report) -> String;
    let same: [(&str, Trait); 4] = [
        ("their scenarios are different", |r| {
            format!("`{}`", r.scenario)
        }),
        ("their workloads are of different kinds", |r| {
            format!("`{}`", r.workload.kind)
        }),
        ("their steps or awaited states are different", |r| {
            log_names(r).join(", ")
        }),
        ("their thresholds are different", |r| {
            let texts: Vec<&str> = r.thresholds.iter().map(|t| t.threshold.as_str()).collect();
            format!("[{}]", texts.join(", "))
        }),
    ];
    for pair in parts.windows(2) {
        for (what, of) in same {
            let (left, right) = (of(&pair[0].report), of(&pair[1].report));
            if left != right {
                return Err(MergeError::Different {
                    one: pair[0].path.clone(),
                    other: pair[1].path.clone(),
                    what,
                    left,
                    right,
                });
            }
        }
    }
    Ok(())
}
