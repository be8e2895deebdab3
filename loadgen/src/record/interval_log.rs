//! HdrHistogram interval logs, one line a second and recorder: what other tools read, and what several runs are merged from.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError};

use super::{Figures, Times};

/// Values in a log are microseconds; its column of maxima is in milliseconds, as other tools expect.
const MAX_VALUE_DIVISOR: f64 = 1_000.0;

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

/// A name as part of a file's name.
pub fn file_name(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '-' || c == '.' {
                c
            } else {
                '_'
            }
        })
        .collect()
}

fn recorders<'f>(figures: &'f Figures) -> impl Iterator<Item = &'f Times> {
    let steps = figures
        .steps
        .iter()
        .flat_map(|s| [&s.response_time, &s.service_time]);
    steps
        .chain(figures.awaits.iter().map(|a| &a.end_to_end))
        .chain([&figures.schedule_slip])
}

impl IntervalLogs {
    /// One log per recorder.
    pub fn new(steps: &[String], awaits: &[String], started: SystemTime) -> Self {
        let of_steps = steps
            .iter()
            .flat_map(|s| [format!("response_time.{s}"), format!("service_time.{s}")]);
        let names = of_steps
            .chain(awaits.iter().map(|a| format!("end_to_end.{a}")))
            .chain(["schedule_slip".to_owned()]);
        Self {
            logs: names
                .map(|name| Log {
                    name,
                    text: Vec::new(),
                })
                .collect(),
            started,
        }
    }

    /// Adds an interval that started `start` after the run's start.
    pub fn add(
        &mut self,
        figures: &Figures,
        start: Duration,
        length: Duration,
    ) -> Result<(), IntervalLogWriterError<hdrhistogram::serialization::V2DeflateSerializeError>>
    {
        for (log, times) in self.logs.iter_mut().zip(recorders(figures)) {
            let mut line = Vec::new();
            let mut serializer = V2DeflateSerializer::new();
            let mut builder = IntervalLogWriterBuilder::new();
            builder.with_max_value_divisor(MAX_VALUE_DIVISOR);
            builder
                .begin_log_with(&mut line, &mut serializer)?
                .write_histogram(&times.0, start, length, None)?;
            log.text.extend(
                line.split_inclusive(|b| *b == b'\n')
                    .filter(|l| !l.starts_with(b"#"))
                    .flatten(),
            );
        }
        Ok(())
    }

    /// Writes `<recorder>.hlog` for each.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        for log in &self.logs {
            let mut file = BufWriter::new(File::create(
                folder.join(format!("{}.hlog", file_name(&log.name))),
            )?);
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
