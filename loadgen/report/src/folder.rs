//! A run's folder: `report.json` and the interval logs beside it, which say together everything that is known of the run. Must not
//! know how either is shown.

use std::io;
use std::path::{Path, PathBuf};

use crate::report::{Report, SCHEMA};
use loadgen_engine::record::interval_log;
use loadgen_engine::record::interval_reader::{LogReadError, RecordedLog};

/// The report's file.
pub const REPORT_FILE: &str = "report.json";

/// A folder that no report can be made from.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// No such folder, or not a run's.
    #[error("{0}: there is no report.json; this is not a run's folder")]
    NoReport(PathBuf),
    /// It can't be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Not JSON.
    #[error("{path}: not a whole JSON document ({error}); was the run interrupted while it wrote?")]
    Truncated {
        /// Which file.
        path: PathBuf,
        /// Where it breaks off.
        error: serde_json::Error,
    },
    /// JSON of another shape.
    #[error("{path}: the schema is {found}; this program reads {SCHEMA}")]
    OtherSchema {
        /// Which file.
        path: PathBuf,
        /// What it says it is.
        found: String,
    },
    /// Of the right schema, but not filled as it demands.
    #[error("{path}: {error}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// A log that can't be used.
    #[error(transparent)]
    Log(#[from] LogReadError),
}

/// The interval logs of a run, each list in the order of the report's.
#[derive(Debug, Clone)]
pub struct Logs {
    /// completed − intended start, by step.
    pub response_time: Vec<RecordedLog>,
    /// completed − actual start, by step.
    pub service_time: Vec<RecordedLog>,
    /// Intended start → visible, by awaited state.
    pub end_to_end: Vec<RecordedLog>,
}

/// What a folder holds.
#[derive(Debug, Clone)]
pub struct RunFolder {
    /// Where it is.
    pub path: PathBuf,
    /// Its report.
    pub report: Report,
    /// Its logs.
    pub logs: Logs,
}

/// The recorders of a report's logs.
pub(super) fn log_names(report: &Report) -> Vec<String> {
    let steps: Vec<String> = report.steps.iter().map(|s| s.name.clone()).collect();
    let awaits: Vec<String> = report.end_to_end.iter().map(|e| e.name.clone()).collect();
    interval_log::names(&steps, &awaits)
}

impl RunFolder {
    /// Reads a run's folder.
    ///
    /// # Errors
    /// A message of its own for everything that can be wrong with the report or a log.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let report = read_report(path)?;
        let names = log_names(&report);
        let files = interval_log::file_names(&names);
        let of = |family: &str| -> Result<Vec<RecordedLog>, FolderError> {
            let wanted = names.iter().zip(&files);
            let wanted = wanted.filter(|(name, _)| name.starts_with(&format!("{family}.")));
            let logs = wanted.map(|(_, file)| RecordedLog::read(&path.join(file)));
            Ok(logs.collect::<Result<_, _>>()?)
        };
        let logs = Logs {
            response_time: of("response_time")?,
            service_time: of("service_time")?,
            end_to_end: of("end_to_end")?,
        };
        Ok(Self {
            path: path.to_owned(),
            report,
            logs,
        })
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
        Some(SCHEMA) => {}
        other => {
            let found = other.map_or_else(|| "missing".to_owned(), |name| format!("`{name}`"));
            return Err(FolderError::OtherSchema { path, found });
        }
    }
    // From the text, not from the value: its errors say line and column.
    serde_json::from_str(&text).map_err(|error| FolderError::Malformed { path, error })
}

/// Writes a report's `report.json`.
///
/// # Errors
/// When the file can't be written.
pub fn write_report(report: &Report, folder: &Path) -> io::Result<()> {
    let json = serde_json::to_string_pretty(report).map_err(io::Error::other)?;
    std::fs::write(folder.join(REPORT_FILE), json + "\n")
}
