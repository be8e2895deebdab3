//! Writes what each second of a run measured to a CSV file while the run goes on: a row a step, and of several workloads a row a workload.
//! Fed by run events.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use loadgen_engine::drive::Interval;
use loadgen_engine::record::{JourneyCounts, Times};

use crate::run_event::{Listener, RunEvent};

/// The columns: each unit is the end of its name. Times are of requests answered as expected; without any they are empty.
const COLUMNS: [&str; 17] = [
    "start_s",
    "length_s",
    "unix_s",
    "step",
    "requests",
    "errors",
    "unanswered",
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

/// Further columns where there are several workloads, filled in their rows.
const WORKLOAD_COLUMNS: [&str; 9] = [
    "workload",
    "journeys_started",
    "journeys_completed",
    "journeys_failed",
    "journeys_skipped",
    "journeys_overtaken",
    "journeys_dropped",
    "journeys_unsent",
    "schedule_slip_p99_us",
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
    /// Of several workloads, each one's name.
    workloads: Vec<String>,
    started: SystemTime,
    /// Whether a row could not be written, which was said.
    lost: bool,
}

impl SecondsCsv {
    /// Creates the file, or empties it, and writes the columns' names; with those of workloads if there are several.
    ///
    /// # Errors
    /// If the file can't be created or written.
    pub fn create(path: &Path, several: bool) -> Result<Self, CsvError> {
        let failed = |error| CsvError {
            path: path.to_owned(),
            error,
        };
        let mut file = csv::Writer::from_path(path).map_err(failed)?;
        let more = WORKLOAD_COLUMNS.iter().filter(|_| several);
        file.write_record(COLUMNS.iter().chain(more))
            .map_err(failed)?;
        file.flush().map_err(|e| failed(e.into()))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            steps: Vec::new(),
            workloads: Vec::new(),
            started: SystemTime::UNIX_EPOCH,
            lost: false,
        })
    }

    fn write(&mut self, interval: &Interval) -> Result<(), csv::Error> {
        let since = self.started + interval.start;
        let unix_s = since.duration_since(SystemTime::UNIX_EPOCH);
        let unix_s = unix_s.unwrap_or_default().as_secs_f64();
        let second = [
            format!("{:.3}", interval.start.as_secs_f64()),
            format!("{:.3}", interval.length.as_secs_f64()),
            format!("{unix_s:.3}"),
        ];
        let empty = |columns: usize| std::iter::repeat_n(String::new(), columns);
        for (name, step) in self.steps.iter().zip(&interval.figures.steps) {
            let mut row = second.to_vec();
            row.push(name.clone());
            let counts = [step.count, step.errors, step.unanswered()];
            row.extend(counts.map(|n| n.to_string()));
            row.extend(cells(&step.response_time));
            row.extend(cells(&step.service_time));
            if !self.workloads.is_empty() {
                row.extend(empty(WORKLOAD_COLUMNS.len()));
            }
            self.file.write_record(&row)?;
        }
        let workloads = interval.figures.workloads.iter().enumerate();
        for (name, (place, workload)) in self.workloads.iter().zip(workloads) {
            let mut row = second.to_vec();
            // Which steps its requests were of, and how many of them failed, is not counted by workload.
            row.extend(empty(4));
            row.extend(cells(&interval.figures.response_time(place)));
            row.extend(empty(5));
            row.push(name.clone());
            row.extend(counts(&workload.journeys));
            row.push(cells(&workload.schedule_slip)[3].clone());
            self.file.write_record(&row)?;
        }
        Ok(self.file.flush()?)
    }
}

/// Journeys by how they ended, in the order of the columns.
fn counts(journeys: &JourneyCounts) -> impl Iterator<Item = String> {
    let outcomes = journeys.outcomes().into_iter().map(|(_, count)| count);
    let counts = std::iter::once(journeys.started).chain(outcomes);
    counts.map(|count| count.to_string())
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
            RunEvent::Announced(plan) => {
                self.steps.clone_from(&plan.steps);
                self.workloads = plan.workloads.iter().map(|w| w.name.clone()).collect();
            }
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
