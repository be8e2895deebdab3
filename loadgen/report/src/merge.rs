//! Merges the reports of several generators of one run: counts are added up, distributions are merged interval by interval, and nothing
//! is averaged. Runs of different scenarios are refused, and so are those that were not made at the same time.

mod error;
mod figures;
mod logs;
mod thresholds;
mod together;

use std::path::Path;

pub use error::MergeError;

use crate::folder::{RunFolder, log_names, write_report};
use crate::report::Report;

/// Merges runs into a new folder and reads it back.
///
/// # Errors
/// The runs are of different scenarios or times, or copies of each other; a log is missing or broken, or the folder can't be written.
pub fn merge(parts: &[RunFolder], out: &Path) -> Result<RunFolder, MergeError> {
    let mut parts: Vec<&RunFolder> = parts.iter().collect();
    parts.sort_by(|a, b| a.report.started_at.total_cmp(&b.report.started_at));
    check(&parts, out)?;
    let output = |error| MergeError::Output {
        path: out.to_owned(),
        error,
    };
    std::fs::create_dir_all(out).map_err(output)?;
    let totals = logs::merge(&parts, out)?;
    let report = figures::merge(&parts, &totals);
    write_report(&report, out).map_err(output)?;
    Ok(RunFolder::open(out)?)
}

fn check(parts: &[&RunFolder], out: &Path) -> Result<(), MergeError> {
    let place = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut places = vec![place(out)];
    for part in parts {
        let path = place(&part.path);
        if places.contains(&path) {
            return Err(MergeError::Twice(part.path.clone()));
        }
        places.push(path);
        if part.report.replay.is_some() {
            return Err(MergeError::Replay(part.path.clone()));
        }
        if !part.report.workloads.is_empty() {
            return Err(MergeError::Workloads(part.path.clone()));
        }
    }
    for (index, one) in parts.iter().enumerate() {
        let mut others = parts[index + 1..].iter();
        if let Some(other) = others.find(|other| one.has_a_run_of(other)) {
            return Err(MergeError::Copied(one.path.clone(), other.path.clone()));
        }
    }
    // Nothing where an older report doesn't tell it.
    type SharedProperty = fn(&Report) -> Option<String>;
    let same: [(&str, SharedProperty); 5] = [
        ("their scenarios are different", |r| {
            Some(format!("`{}`", r.scenario))
        }),
        ("their scenarios ask for different things", |r| {
            let fingerprint = r.fingerprint.as_ref()?;
            Some(format!("fingerprint `{fingerprint}`"))
        }),
        ("their workloads are of different kinds", |r| {
            Some(format!("`{}`", r.workload.kind))
        }),
        ("their steps or awaited states are different", |r| {
            Some(log_names(r).join(", "))
        }),
        ("their thresholds are different", |r| {
            let texts: Vec<&str> = r.thresholds.iter().map(|t| t.threshold.as_str()).collect();
            Some(format!("[{}]", texts.join(", ")))
        }),
    ];
    for (what, of) in same {
        let told = parts.iter().filter_map(|p| Some((p, of(&p.report)?)));
        let told: Vec<_> = told.collect();
        let other = told.iter().find(|(_, value)| *value != told[0].1);
        if let Some((other, right)) = other {
            return Err(MergeError::Different {
                one: told[0].0.path.clone(),
                other: other.path.clone(),
                what,
                left: told[0].1.clone(),
                right: right.clone(),
            });
        }
    }
    together::check(parts)
}
