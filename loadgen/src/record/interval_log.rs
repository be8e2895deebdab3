//! HdrHistogram interval logs, one line a second and recorder: what other tools read, and what several runs are merged from.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError};
use hdrhistogram::serialization::{V2DeflateSerializeError, V2DeflateSerializer};

use super::{Figures, Times};

/// Values in a log are microseconds; its column of maxima is in milliseconds, as other tools expect.
const MAX_VALUE_DIVISOR: f64 = 1_000.0;

/// An interval that can't be written.
pub type LogWriteError = IntervalLogWriterError<V2DeflateSerializeError>;

/// Collects every interval of one recorder, encoded; a line is a few hundred bytes, so that an hour stays small.
struct Log {
    name: String,
    text: Vec<u8>,
}

/// The logs of a run.
pub struct IntervalLogs {
    logs: Vec<Log>,
    started: SystemTime,
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

/// One interval as a line.
fn line(
    histogram: &Histogram<u64>,
    start: Duration,
    length: Duration,
) -> Result<Vec<u8>, LogWriteError> {
    let mut text = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder.with_max_value_divisor(MAX_VALUE_DIVISOR);
    builder
        .begin_log_with(&mut text, &mut serializer)?
        .write_histogram(histogram, start, length, None)?;
    // A writer begins with its header, which the file has already.
    let lines = text.split_inclusive(|b| *b == b'\n');
    Ok(lines
        .filter(|l| !l.starts_with(b"#"))
        .flatten()
        .copied()
        .collect())
}

impl IntervalLogs {
    /// One log per recorder.
    pub fn new(steps: &[String], awaits: &[String], started: SystemTime) -> Self {
        Self {
            logs: names(steps, awaits)
                .into_iter()
                .map(|name| Log {
                    name,
                    text: Vec::new(),
                })
                .collect(),
            started,
        }
    }

    /// Adds one recorder's interval, by the recorder's place in [`names`].
    ///
    /// # Errors
    /// When the interval can't be encoded.
    pub fn add_one(
        &mut self,
        recorder: usize,
        histogram: &Histogram<u64>,
        start: Duration,
        length: Duration,
    ) -> Result<(), LogWriteError> {
        if let Some(log) = self.logs.get_mut(recorder) {
            log.text.extend(line(histogram, start, length)?);
        }
        Ok(())
    }

    /// Adds an interval that started `start` after the run's start.
    pub fn add(
        &mut self,
        figures: &Figures,
        start: Duration,
        length: Duration,
    ) -> Result<(), LogWriteError> {
        for (log, times) in self.logs.iter_mut().zip(recorders(figures)) {
            log.text.extend(line(&times.0, start, length)?);
        }
        Ok(())
    }

    /// Writes `<recorder>.hlog` for each.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let names: Vec<String> = self.logs.iter().map(|log| log.name.clone()).collect();
        for (log, file) in self.logs.iter().zip(file_names(&names)) {
            let mut file = BufWriter::new(File::create(folder.join(file))?);
            let mut builder = IntervalLogWriterBuilder::new();
            builder.add_comment(&format!("{} in microseconds", log.name));
            builder
                .with_start_time(self.started)
                .with_base_time(self.started);
            builder.begin_log_with(&mut file, &mut V2DeflateSerializer::new())?;
            io::Write::write_all(&mut file, &log.text)?;
            io::Write::flush(&mut file)?;
        }
        Ok(())
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
