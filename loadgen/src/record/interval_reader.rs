//! Reads interval logs back. A histogram is decoded when it is asked for, so that a long log needs little memory; must not know
//! which run a log belongs to.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

/// A log that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LogReadError {
    /// There is none.
    #[error("{path}: the interval log is missing; a report is made from all logs of its run")]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It can't be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is something else, or was cut off.
    #[error(
        "{path}: not an HdrHistogram interval log, or one that was cut off (interval {interval})"
    )]
    Malformed {
        /// Which.
        path: PathBuf,
        /// The interval's number, from 1.
        interval: usize,
    },
}

/// One interval of a log.
#[derive(Debug, Clone)]
pub struct RecordedInterval {
    /// From the log's base time.
    pub start_s: f64,
    /// Its length.
    pub length_s: f64,
    encoded: String,
}

/// A log, in the order in which it was written.
#[derive(Debug, Clone)]
pub struct RecordedLog {
    /// Where it came from.
    path: PathBuf,
    /// Unix time in seconds that the intervals count from.
    pub base_s: f64,
    /// The intervals.
    pub intervals: Vec<RecordedInterval>,
}

impl RecordedLog {
    /// Reads one.
    ///
    /// # Errors
    /// When the file is missing, unreadable or no interval log.
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
        // A line that was cut off can still look like one: only its end tells.
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
    /// When it is no encoded histogram.
    pub fn histogram(&self, index: usize) -> Result<Histogram<u64>, LogReadError> {
        let bytes = STANDARD.decode(&self.intervals[index].encoded);
        let bytes = bytes.map_err(|_| self.malformed(index + 1))?;
        Deserializer::new()
            .deserialize(&mut Cursor::new(bytes))
            .map_err(|_| self.malformed(index + 1))
    }
}
