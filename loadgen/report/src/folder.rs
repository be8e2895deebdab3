//! A run's folder: `report.json` and the interval logs beside it. Together they hold everything that is known of the run. Must not
//! know how they are shown.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::report::{REPORT_SCHEMA, Report};
use loadgen_engine::record::interval_log;
use loadgen_engine::record::interval_reader::{LogReadError, RecordedLog};
use program_terminal::visible;

/// The file name of the report.
pub const REPORT_FILE: &str = "report.json";

/// Why a run's folder can't be read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder does not exist or has no `report.json`.
    #[error("{0}: there is no report.json; give the folder of a run")]
    NoReport(PathBuf),
    /// The file can't be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file's name.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// The file is not JSON.
    #[error(
        "{path}: not a whole JSON document ({error}); was the run interrupted while it wrote the file?"
    )]
    Truncated {
        /// The file's name.
        path: PathBuf,
        /// Where the document ends or is wrong.
        error: serde_json::Error,
    },
    /// The report has another schema.
    #[error("{path}: the schema is {found}; this program reads {REPORT_SCHEMA}")]
    OtherSchema {
        /// The file's name.
        path: PathBuf,
        /// The schema that the file names.
        found: String,
    },
    /// The report names this schema but does not follow it.
    #[error("{path}: {error}")]
    Malformed {
        /// The file's name.
        path: PathBuf,
        /// What is wrong, with line and column.
        error: serde_json::Error,
    },
    /// An interval log can't be read.
    #[error(transparent)]
    Log(#[from] LogReadError),
}

/// The interval logs of a run, in the order of the report's steps and states.
#[derive(Debug, Clone)]
pub struct Logs {
    /// Response time (completed − intended start) of each step.
    pub response_time: Vec<RecordedLog>,
    /// Service time (completed − actual start) of each step.
    pub service_time: Vec<RecordedLog>,
    /// Response time of requests whose answer was an error, of each step.
    pub failed_time: Vec<RecordedLog>,
    /// Given up − intended start of requests without an answer, of each step.
    pub unanswered_time: Vec<RecordedLog>,
    /// End-to-end latency (visible − intended start) of each awaited state.
    pub end_to_end: Vec<RecordedLog>,
}

/// A run's folder and its content.
#[derive(Debug, Clone)]
pub struct RunFolder {
    /// The folder's path.
    pub path: PathBuf,
    /// The report.
    pub report: Report,
    /// The interval logs.
    pub logs: Logs,
}

/// Starts that are nearer than this are one: a report's number holds the time to less than a microsecond.
const SAME_START_S: f64 = 1e-6;

/// The names of the recorders whose logs belong to a report.
pub(super) fn log_names(report: &Report) -> Vec<String> {
    let steps: Vec<String> = report.steps.iter().map(|s| s.name.clone()).collect();
    let awaits: Vec<String> = report.end_to_end.iter().map(|e| e.name.clone()).collect();
    interval_log::names(&steps, &awaits)
}

impl RunFolder {
    /// Whether both have the figures of one run: copies of it, or a merged run and a part of it.
    #[must_use]
    pub fn has_a_run_of(&self, other: &Self) -> bool {
        let theirs = runs(&other.report);
        runs(&self.report).iter().any(|(start, requests)| {
            let is_same = |(s, n): &(f64, u64)| n == requests && (s - start).abs() < SAME_START_S;
            theirs.iter().any(is_same)
        })
    }

    /// Reads a run's folder.
    ///
    /// # Errors
    /// The report or a log is missing, broken or of another schema.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let report = read_report(path)?;
        let names = log_names(&report);
        let files = interval_log::file_names(&names);
        let of = |family: &str| -> Result<Vec<RecordedLog>, FolderError> {
            let wanted = names.iter().zip(&files);
            let wanted = wanted.filter(|(name, _)| name.starts_with(&format!("{family}.")));
            let logs = wanted.filter_map(|(name, file)| read_log(name, &path.join(file)));
            Ok(logs.collect::<Result<_, _>>()?)
        };
        let logs = Logs {
            response_time: of("response_time")?,
            service_time: of("service_time")?,
            failed_time: of("failed_time")?,
            unanswered_time: of("unanswered_time")?,
            end_to_end: of("end_to_end")?,
        };
        Ok(Self {
            path: path.to_owned(),
            report,
            logs,
        })
    }
}

/// The start and the number of requests of each run that a report is of: together they are of one run only.
fn runs(report: &Report) -> Vec<(f64, u64)> {
    let merged = report.merged_from.iter();
    match report.merged_from.is_empty() {
        true => vec![(report.started_at, report.all_steps.count)],
        false => merged
            .map(|part| (part.started_at, part.requests))
            .collect(),
    }
}

/// Reads a recorder's log; `None` if it is one that may be missing, and is.
pub(super) fn read_log(name: &str, path: &Path) -> Option<Result<RecordedLog, LogReadError>> {
    match RecordedLog::read(path) {
        Err(LogReadError::Missing { .. }) if interval_log::is_sparse(name) => None,
        read => Some(read),
    }
}

fn read_report(folder: &Path) -> Result<Report, FolderError> {
    let path = folder.join(REPORT_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(FolderError::NoReport(folder.to_owned()));
        }
        Err(error) => return Err(FolderError::Unreadable { path, error }),
    };
    let json: serde_json::Value = match serde_json::from_str(&text) {
        Ok(json) => json,
        Err(error) => return Err(FolderError::Truncated { path, error }),
    };
    match json.get("schema").and_then(serde_json::Value::as_str) {
        Some(REPORT_SCHEMA) => {}
        other => {
            let found = other.map_or_else(|| "missing".to_owned(), |name| format!("`{name}`"));
            return Err(FolderError::OtherSchema { path, found });
        }
    }
    // Parsed from the text, not from the value, so that errors have line and column.
    serde_json::from_str(&text).map_err(|error| FolderError::Malformed { path, error })
}

/// Writes a report to the folder's `report.json`.
///
/// # Errors
/// The file can't be written.
pub fn write_report(report: &Report, folder: &Path) -> io::Result<()> {
    write_json(&folder.join(REPORT_FILE), report)
}

/// A file's text as JSON: control characters, which a target may have answered with, are visible.
///
/// # Errors
/// The value can't be JSON.
pub fn json(value: &impl Serialize) -> io::Result<String> {
    let json = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
    Ok(format!("{}\n", visible(&json)))
}

/// Writes a file of JSON, wholly or not at all.
///
/// # Errors
/// As [`write_whole`].
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    write_whole(path, &json(value)?)
}

/// Writes a file wholly or not at all: a full disk leaves no half of a report behind.
///
/// # Errors
/// The file can't be written; one that was there before is as it was.
pub fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        std::fs::remove_file(&part).ok();
    }
    written
}
