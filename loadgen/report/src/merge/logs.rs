//! Merges the interval logs of several generators: intervals whose starts round to the same second of the run are added up, bucket by
//! bucket. No sample is lost or moved by more than half a second.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::error::MergeError;
use crate::folder::{RunFolder, log_names, read_log};
use loadgen_engine::record::Times;
use loadgen_engine::record::interval_log::{self, IntervalLogs};
use loadgen_engine::record::interval_reader::RecordedLog;

/// Merges the logs of runs with the same recorders into a folder. Returns the distribution of the whole run for each recorder, in the
/// order of the logs' names.
pub fn merge(parts: &[&RunFolder], out: &Path) -> Result<Vec<Times>, MergeError> {
    let report = &parts[0].report;
    let steps: Vec<String> = report.steps.iter().map(|s| s.name.clone()).collect();
    let awaits: Vec<String> = report.end_to_end.iter().map(|e| e.name.clone()).collect();
    let started_s = report.started_at;
    let started = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(started_s.max(0.0));
    let mut logs = IntervalLogs::create(out, &steps, &awaits, started)?;
    let mut totals = Vec::new();
    let names = log_names(report);
    let files = interval_log::file_names(&names);
    for (recorder, (name, file)) in names.iter().zip(&files).enumerate() {
        let read = parts
            .iter()
            .filter_map(|p| read_log(name, &p.path.join(file)));
        let read = read.collect::<Result<Vec<_>, _>>()?;
        let mut seconds: BTreeMap<u64, Vec<(&RecordedLog, usize)>> = BTreeMap::new();
        for log in &read {
            for (index, interval) in log.intervals.iter().enumerate() {
                let second = (log.base_s + interval.start_s - started_s).round().max(0.0);
                seconds.entry(second as u64).or_default().push((log, index));
            }
        }
        let mut total = Times::default();
        for (second, intervals) in seconds {
            let mut times = Times::default();
            let mut length_s: f64 = 0.0;
            for (log, index) in intervals {
                times.add(&Times(log.histogram(index)?));
                length_s = length_s.max(log.intervals[index].length_s);
            }
            let (start, length) = (
                Duration::from_secs(second),
                Duration::from_secs_f64(length_s),
            );
            logs.add_one(recorder, &times.0, start, length)?;
            total.add(&times);
        }
        totals.push(total);
    }
    logs.finish()?;
    Ok(totals)
}
