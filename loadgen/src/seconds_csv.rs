//! Writes what each second of a run measured to a CSV file, a row a step, while the run goes on. Fed by run events.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use loadgen_engine::drive::Interval;
use loadgen_engine::record::Times;

use crate::run_event::{Listener, RunEvent};

/// The columns: each unit is the end of its name. Times are of requests answered as expected; without any they are empty.
const COLUMNS: [&str; 16] = [
    "start_s",
    "length_s",
    "unix_s",
    "step",
    "requests",
    "errors",
    "response_time_mean_us",
    "response_time_p50_us",
    "response_time_p90_us",
    "response_time_p99_us",
    "response_time_max_us",
    "service_time_mean_us",
    "service_time_p50_us",
    "service_time_p90_us",
    "service_time_p99_us",
    "service_time_max_us",
];

/// The file can't be created.
#[derive(Debug, thiserror::Error)]
#[error("--csv {path}: {error}; give a file in a folder that exists and can be written to")]
pub struct CsvError {
    path: PathBuf,
    error: csv::Error,
}

/// The rows of one run.
pub struct SecondsCsv {
    path: PathBuf,
    file: csv::Writer<File>,
    steps: Vec<String>,
    started: SystemTime,
    /// Whether a row could not be written, which was said.
    lost: bool,
}

impl SecondsCsv {
    /// Creates the file, or empties it, and writes the columns' names.
    ///
    /// # Errors
    /// If the file can't be created or written.
    pub fn create(path: &Path) -> Result<Self, CsvError> {
        let failed = |error| CsvError {
            path: path.to_owned(),
            error,
        };
        let mut file = csv::Writer::from_path(path).map_err(failed)?;
        file.write_record(COLUMNS).map_err(failed)?;
        file.flush().map_err(|e| failed(e.into()))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            steps: Vec::new(),
            started: SystemTime::UNIX_EPOCH,
            lost: false,
        })
    }

    fn write(&mut self, interval: &Interval) -> Result<(), csv::Error> {
        let since = self.started + interval.start;
        let unix_s = since.duration_since(SystemTime::UNIX_EPOCH);
        let unix_s = unix_s.unwrap_or_default().as_secs_f64();
        for (name, step) in self.steps.iter().zip(&interval.figures.steps) {
            let mut row = vec![
                format!("{:.3}", interval.start.as_secs_f64()),
                format!("{:.3}", interval.length.as_secs_f64()),
                format!("{unix_s:.3}"),
                name.clone(),
                step.count.to_string(),
                step.errors.to_string(),
            ];
            row.extend(cells(&step.response_time));
            row.extend(cells(&step.service_time));
            self.file.write_record(&row)?;
        }
        Ok(self.file.flush()?)
    }
}

/// Mean, p50, p90, p99, max.
fn cells(times: &Times) -> [String; 5] {
    let times = &times.0;
    if times.is_empty() {
        return Default::default();
    }
    let quantile = |q| times.value_at_quantile(q).to_string();
    [
        format!("{:.0}", times.mean()),
        quantile(0.5),
        quantile(0.9),
        quantile(0.99),
        times.max().to_string(),
    ]
}

impl Listener for SecondsCsv {
    fn event(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Announced(plan) => self.steps.clone_from(&plan.steps),
            RunEvent::Started { wall_clock, .. } => self.started = *wall_clock,
            RunEvent::Interval(interval) => {
                // Said once: a full disk stays full.
                if let Err(error) = self.write(interval)
                    && !std::mem::replace(&mut self.lost, true)
                {
                    let path = self.path.display();
                    tracing::warn!("--csv {path}: rows are missing: {error}");
                }
            }
            _ => {}
        }
    }
}
