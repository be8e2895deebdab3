//! Whether runs were made at the same time, as those of several generators are.

use super::error::MergeError;
use crate::folder::RunFolder;
use crate::report::Report;

/// The share of the longer of two runs that both must have been measured in: generators that are started by hand are seconds apart.
const TOGETHER_MIN: f64 = 0.5;

/// Refuses runs that were made one after the other: their rates add up to one that nobody asked for.
pub fn check(parts: &[&RunFolder]) -> Result<(), MergeError> {
    for (index, one) in parts.iter().enumerate() {
        for other in &parts[index + 1..] {
            let (a, b) = (measured(&one.report), measured(&other.report));
            let together_s = (a.1.min(b.1) - a.0.max(b.0)).max(0.0);
            let of_s = (a.1 - a.0).max(b.1 - b.0);
            if together_s < of_s * TOGETHER_MIN {
                return Err(MergeError::Apart {
                    one: one.path.clone(),
                    other: other.path.clone(),
                    together_s,
                    of_s,
                });
            }
        }
    }
    Ok(())
}

/// Start and end of a run's measured time, in Unix seconds.
pub fn measured(report: &Report) -> (f64, f64) {
    let start = report.started_at + report.workload.warm_up_s;
    (start, start + report.duration_s)
}
