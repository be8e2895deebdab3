//! HdrHistogram interval logs, one line per second and recorder. Other tools can read them, and several runs are merged from them.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError};
use hdrhistogram::serialization::{V2DeflateSerializeError, V2DeflateSerializer};

use super::{Figures, Times};

/// Values in a log are microseconds; its column of maxima is in milliseconds, as other tools expect.
const MAX_VALUE_DIVISOR: f64 = 1_000.0;

/// Lines are buffered up to this size and written together: a line has one to three thousand bytes.
const KEPT_BYTES_MAX: usize = 32 << 10;

/// An interval could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LogWriteError {
    /// The file can't be written to.
    #[error("can't write {path}: {error}")]
    File {
        /// The file's path.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// The interval has no encoding.
    #[error("an interval can't be encoded: {0:?}")]
    Encoding(IntervalLogWriterError<V2DeflateSerializeError>),
}

/// The log of one recorder. Its file is open only while it is written to: there may be hundreds of recorders, and descriptors are for
/// connections.
struct Log {
    path: PathBuf,
    kept: Vec<u8>,
    /// Intervals without samples have no line: most intervals of most runs have no failure.
    sparse: bool,
}

/// The logs of a run, written during the run, so that memory does not grow with its length.
pub struct IntervalLogs {
    logs: Vec<Log>,
}

/// The names of a run's recorders, in the order of their logs: a family, and the step or state.
pub fn names(steps: &[String], awaits: &[String]) -> Vec<String> {
    let of_steps = steps.iter().flat_map(|s| {
        let families = [
            "response_time",
            "service_time",
            "failed_time",
            "unanswered_time",
            "slip",
        ];
        families.map(|family| format!("{family}.{s}"))
    });
    of_steps
        .chain(awaits.iter().map(|a| format!("end_to_end.{a}")))
        .chain(["schedule_slip".to_owned()])
        .collect()
}

/// The families whose intervals are written only if they have samples.
const SPARSE: [&str; 2] = ["failed_time.", "unanswered_time."];

/// Whether a recorder's log may be missing: nothing failed, or the run is of a time before there were such logs.
pub fn is_sparse(name: &str) -> bool {
    SPARSE.iter().any(|family| name.starts_with(family))
}

/// Longest file name without its extension, in bytes; file systems allow 255.
const STEM_BYTES_MAX: usize = 120;

/// A file name for each name, in their order. Names that would give the same file name get a number.
pub fn file_names(names: &[String]) -> Vec<String> {
    let plain = |c: char| match c.is_alphanumeric() || c == '-' || c == '.' {
        true => c,
        false => '_',
    };
    let mut files: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let mut stem: String = name.chars().map(plain).collect();
        while stem.len() > STEM_BYTES_MAX {
            stem.pop();
        }
        let numbered = (2..).map(|n| format!("{stem}-{n}.hlog"));
        let mut candidates = std::iter::once(format!("{stem}.hlog")).chain(numbered);
        files.extend(candidates.find(|file| !files.contains(file)));
    }
    files
}

/// The distributions that are logged. Schedule slip, last, is of all workloads together.
fn recorders<'f>(figures: &'f Figures, slip: &'f Times) -> impl Iterator<Item = &'f Times> {
    let steps = figures.steps.iter().flat_map(|s| {
        [
            &s.response_time,
            &s.service_time,
            &s.failed_time,
            &s.unanswered_time,
            &s.slip,
        ]
    });
    steps
        .chain(figures.awaits.iter().map(|a| &a.end_to_end))
        .chain([slip])
}

impl Log {
    /// Creates the file; the log begins with a header.
    fn create(path: PathBuf, name: &str, started: SystemTime) -> Result<Self, LogWriteError> {
        let mut kept = Vec::new();
        let mut builder = IntervalLogWriterBuilder::new();
        builder.add_comment(&format!("{name} in microseconds"));
        builder.with_start_time(started).with_base_time(started);
        builder
            .begin_log_with(&mut kept, &mut V2DeflateSerializer::new())
            .map_err(|e| LogWriteError::Encoding(e.into()))?;
        match File::create(&path) {
            Ok(_) => Ok(Self {
                path,
                kept,
                sparse: is_sparse(name),
            }),
            Err(error) => Err(LogWriteError::File { path, error }),
        }
    }

    /// Adds one interval as a line.
    fn add(
        &mut self,
        histogram: &Histogram<u64>,
        start: Duration,
        length: Duration,
    ) -> Result<(), LogWriteError> {
        if self.sparse && histogram.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        let mut serializer = V2DeflateSerializer::new();
        let mut builder = IntervalLogWriterBuilder::new();
        builder.with_max_value_divisor(MAX_VALUE_DIVISOR);
        builder
            .begin_log_with(&mut text, &mut serializer)
            .map_err(|e| LogWriteError::Encoding(e.into()))?
            .write_histogram(histogram, start, length, None)
            .map_err(LogWriteError::Encoding)?;
        // A new writer begins with a header, which the file has already.
        let lines = text.split_inclusive(|b| *b == b'\n');
        for line in lines.filter(|l| !l.starts_with(b"#")) {
            self.kept.extend_from_slice(line);
        }
        match self.kept.len() > KEPT_BYTES_MAX {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), LogWriteError> {
        let file = File::options().append(true).open(&self.path);
        let written = file.and_then(|mut file| file.write_all(&self.kept));
        // Lines that can't be written are dropped: a full disk must not fill the memory.
        self.kept.clear();
        written.map_err(|error| LogWriteError::File {
            path: self.path.clone(),
            error,
        })
    }
}

impl IntervalLogs {
    /// Creates `<recorder>.hlog` for each recorder in `folder`, and replaces existing files.
    ///
    /// # Errors
    /// If a file can't be created.
    pub fn create(
        folder: &Path,
        steps: &[String],
        awaits: &[String],
        started: SystemTime,
    ) -> Result<Self, LogWriteError> {
        let names = names(steps, awaits);
        let files = file_names(&names);
        let logs = names
            .iter()
            .zip(files)
            .map(|(name, file)| Log::create(folder.join(file), name, started));
        Ok(Self {
            logs: logs.collect::<Result<_, _>>()?,
        })
    }

    /// Adds one recorder's interval, by the recorder's index in [`names`].
    ///
    /// # Errors
    /// When the interval can't be encoded or written.
    pub fn add_one(
        &mut self,
        recorder: usize,
        histogram: &Histogram<u64>,
        start: Duration,
        length: Duration,
    ) -> Result<(), LogWriteError> {
        let log = self.logs.get_mut(recorder);
        log.map_or(Ok(()), |log| log.add(histogram, start, length))
    }

    /// Adds an interval that started `start` after the run's start.
    ///
    /// # Errors
    /// As [`Self::add_one`].
    pub fn add(
        &mut self,
        figures: &Figures,
        start: Duration,
        length: Duration,
    ) -> Result<(), LogWriteError> {
        let slip = figures.schedule_slip();
        let each = self.logs.iter_mut().zip(recorders(figures, &slip));
        each.map(|(log, times)| log.add(&times.0, start, length))
            .fold(Ok(()), Result::and)
    }

    /// Writes the lines that are still buffered.
    ///
    /// # Errors
    /// When a file can't be written to.
    pub fn finish(&mut self) -> Result<(), LogWriteError> {
        self.logs.iter_mut().try_for_each(Log::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_file_can_not_hold_still_have_files_of_their_own() {
        let long = "é".repeat(300);
        let names = ["a b", "a_b", "a/b", "../../x", &long].map(str::to_owned);
        let files = file_names(&names);
        assert_eq!(
            files[..4],
            ["a_b.hlog", "a_b-2.hlog", "a_b-3.hlog", ".._.._x.hlog"]
        );
        assert!(files[4].len() <= 130, "{}", files[4]);
    }
}
