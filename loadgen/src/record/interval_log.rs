//! HdrHistogram interval logs, one line a second and recorder: what other tools read, and what several runs are merged from.

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

/// Lines kept until they are written together: a line is one to three thousand bytes.
const KEPT_BYTES_MAX: usize = 32 << 10;

/// An interval that can't be written.
#[derive(Debug, thiserror::Error)]
pub enum LogWriteError {
    /// The file can't be written to.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The interval has no encoding.
    #[error("an interval can't be encoded: {0:?}")]
    Encoding(IntervalLogWriterError<V2DeflateSerializeError>),
}

/// The log of one recorder. Its file is only open while it is written to: there may be hundreds of recorders, and descriptors are for
/// connections.
struct Log {
    path: PathBuf,
    kept: Vec<u8>,
}

/// The logs of a run, written as it goes on, so that memory does not grow with its length.
pub struct IntervalLogs {
    logs: Vec<Log>,
}

/// The recorders of a run, in the order of their logs: the name and what it is of.
pub fn names(steps: &[String], awaits: &[String]) -> Vec<String> {
    let of_steps = steps.iter().flat_map(|s| {
        ["response_time", "service_time", "slip"].map(|family| format!("{family}.{s}"))
    });
    of_steps
        .chain(awaits.iter().map(|a| format!("end_to_end.{a}")))
        .chain(["schedule_slip".to_owned()])
        .collect()
}

/// Longest name of a file without its ending, in bytes; file systems take 255.
const STEM_BYTES_MAX: usize = 120;

/// A file for each name, in their order. Names that differ only in what a file's name can't hold get a number.
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

fn recorders(figures: &Figures) -> impl Iterator<Item = &Times> {
    let steps = figures
        .steps
        .iter()
        .flat_map(|s| [&s.response_time, &s.service_time, &s.slip]);
    steps
        .chain(figures.awaits.iter().map(|a| &a.end_to_end))
        .chain([&figures.schedule_slip])
}

impl Log {
    /// A file that begins with its header.
    fn create(path: PathBuf, name: &str, started: SystemTime) -> Result<Self, LogWriteError> {
        let mut kept = Vec::new();
        let mut builder = IntervalLogWriterBuilder::new();
        builder.add_comment(&format!("{name} in microseconds"));
        builder.with_start_time(started).with_base_time(started);
        builder
            .begin_log_with(&mut kept, &mut V2DeflateSerializer::new())
            .map_err(|e| LogWriteError::Encoding(e.into()))?;
        match File::create(&path) {
            Ok(_) => Ok(Self { path, kept }),
            Err(error) => Err(LogWriteError::File { path, error }),
        }
    }

    /// One interval as a line.
    fn add(
        &mut self,
        histogram: &Histogram<u64>,
        start: Duration,
        length: Duration,
    ) -> Result<(), LogWriteError> {
        let mut text = Vec::new();
        let mut serializer = V2DeflateSerializer::new();
        let mut builder = IntervalLogWriterBuilder::new();
        builder.with_max_value_divisor(MAX_VALUE_DIVISOR);
        builder
            .begin_log_with(&mut text, &mut serializer)
            .map_err(|e| LogWriteError::Encoding(e.into()))?
            .write_histogram(histogram, start, length, None)
            .map_err(LogWriteError::Encoding)?;
        // A writer begins with its header, which the file has already.
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
        // What can't be written is not kept either: a full disk must not fill the memory.
        self.kept.clear();
        written.map_err(|error| LogWriteError::File {
            path: self.path.clone(),
            error,
        })
    }
}

impl IntervalLogs {
    /// Makes `<recorder>.hlog` for each recorder in `folder`, in the place of what was there.
    ///
    /// # Errors
    /// When a file can't be made.
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

    /// Adds one recorder's interval, by the recorder's place in [`names`].
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
        let each = self.logs.iter_mut().zip(recorders(figures));
        each.map(|(log, times)| log.add(&times.0, start, length))
            .fold(Ok(()), Result::and)
    }

    /// Writes what is still kept.
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
