//! The thresholds of a merged run: evaluated on the merged rows if those have the figure, else on the run with the worst figure.

use crate::folder::RunFolder;
use crate::report::Report;
use crate::sections::ThresholdReport;
use crate::threshold_figure::figure;
use crate::verdict;
use loadgen_scenario::threshold::{Threshold, Window};

/// Evaluates the thresholds of the merged run.
pub(super) fn thresholds(merged: &Report, parts: &[&RunFolder]) -> Vec<ThresholdReport> {
    let evaluated = merged.thresholds.iter().enumerate().map(|(i, row)| {
        let Ok(threshold) = row.threshold.parse::<Threshold>() else {
            return row.clone();
        };
        let together = match threshold.window {
            Window::Run => figure(merged, &threshold.metric),
            Window::Every(_) | Window::Last(_) => None,
        };
        // A miss that ended a run counts, whatever the others say.
        let mut rows = parts.iter().filter_map(|p| p.report.thresholds.get(i));
        if let Some(aborted) = rows.find(|t| t.aborted_at_s.is_some()) {
            return aborted.clone();
        }
        match together {
            Some(figure) => ThresholdReport {
                threshold: row.threshold.clone(),
                figure: Some(figure),
                passed: threshold.holds(figure),
                by_default: row.by_default,
                aborted_at_s: None,
                reason: verdict::reason(&threshold, Some(figure), None),
            },
            None => worst(&threshold, i, parts).unwrap_or_else(|| row.clone()),
        }
    });
    evaluated.collect()
}

/// The result of the run with the worst figure; a run without samples is worse than any figure.
fn worst(threshold: &Threshold, index: usize, parts: &[&RunFolder]) -> Option<ThresholdReport> {
    let rows = parts.iter().filter_map(|p| p.report.thresholds.get(index));
    let badness = |row: &ThresholdReport| {
        row.figure
            .map_or(f64::INFINITY, |figure| threshold.badness(figure))
    };
    let worst = rows.max_by(|a, b| badness(a).total_cmp(&badness(b)))?;
    Some(ThresholdReport {
        reason: format!("{} (the worst of the runs)", worst.reason),
        ..worst.clone()
    })
}
