//! Reads interval logs back. A histogram is decoded on demand, so that a long log needs little memory. Must not know
//! which run a log belongs to.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

/// A log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogReadError {
    /// The log does not exist.
    #[error("{path}: the interval log is missing; a report needs all logs of its run")]
    Missing {
        /// The path where it should be.
        path: PathBuf,
    },
    /// The file can't be read.
    #[error("can't read {path}: {error}")]
    Unreadable {
        /// The file's path.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// The file is not an interval log, or was cut off.
    #[error(
        "{path}: not an HdrHistogram interval log, or one that was cut off (interval {interval})"
    )]
    Malformed {
        /// The file's path.
        path: PathBuf,
        /// The interval's number, from 1.
        interval: usize,
    },
}

/// One interval of a log.
#[derive(Debug, Clone)]
pub struct RecordedInterval {
    /// Start in seconds, from the log's base time.
    pub start_s: f64,
    /// Length in seconds.
    pub length_s: f64,
    encoded: String,
}

/// A log, in the order of its lines.
#[derive(Debug, Clone)]
pub struct RecordedLog {
    /// The file it was read from.
    path: PathBuf,
    /// The Unix time, in seconds, at which the intervals' times start.
    pub base_s: f64,
    /// The intervals.
    pub intervals: Vec<RecordedInterval>,
}

impl RecordedLog {
    /// Reads a log.
    ///
    /// # Errors
    /// If the file is missing, unreadable or not an interval log.
    pub fn read(path: &Path) -> Result<Self, LogReadError> {
        let text = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => LogReadError::Missing { path: path.into() },
            _ => LogReadError::Unreadable {
                path: path.into(),
                error,
            },
        })?;
        let mut log = Self {
            path: path.into(),
            base_s: 0.0,
            intervals: Vec::new(),
        };
        // A line that was cut off may still be valid: only the missing line break shows it.
        if text.last() != Some(&b'\n') {
            return Err(log.malformed(text.split(|b| *b == b'\n').count()));
        }
        for entry in IntervalLogIterator::new(&text) {
            match entry.map_err(|_| log.malformed(log.intervals.len() + 1))? {
                LogEntry::BaseTime(time) => log.base_s = time.as_secs_f64(),
                LogEntry::StartTime(_) => {}
                LogEntry::Interval(interval) => log.intervals.push(RecordedInterval {
                    start_s: interval.start_timestamp().as_secs_f64(),
                    length_s: interval.duration().as_secs_f64(),
                    encoded: interval.encoded_histogram().to_owned(),
                }),
            }
        }
        Ok(log)
    }

    fn malformed(&self, interval: usize) -> LogReadError {
        LogReadError::Malformed {
            path: self.path.clone(),
            interval,
        }
    }

    /// Decodes an interval's distribution, in microseconds.
    ///
    /// # Errors
    /// If it is not an encoded histogram.
    pub fn histogram(&self, index: usize) -> Result<Histogram<u64>, LogReadError> {
        let bytes = STANDARD.decode(&self.intervals[index].encoded);
        let bytes = bytes.map_err(|_| self.malformed(index + 1))?;
        Deserializer::new()
            .deserialize(&mut Cursor::new(bytes))
            .map_err(|_| self.malformed(index + 1))
    }
}
