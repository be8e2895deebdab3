//! The state of the thresholds during a run: the same figures as at its end, from what has been recorded so far. A growing count
//! that has not reached its bound is undecided.

use std::time::Duration;

use crate::verdict;
use crate::windows::Windows;
use loadgen_engine::record::Figures;
use loadgen_engine::scrape::Scrape;
use loadgen_scenario::Scenario;
use loadgen_scenario::threshold::{Metric, Threshold};

/// A threshold's state during the run.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdState {
    /// The threshold's text in the scenario.
    pub threshold: String,
    /// The figure so far in words, or why there is none.
    pub figure: String,
    /// Whether it would hold if the run ended now; `None` if only the end can show that.
    pub holds: Option<bool>,
    /// Whether this miss aborts the run.
    pub aborts: bool,
}

/// What has been recorded so far.
pub struct SoFar<'a> {
    /// The scenario of the run.
    pub scenario: &'a Scenario,
    /// The figures since the warm-up.
    pub figures: &'a Figures,
    /// The windows of thresholds over parts of the run.
    pub windows: &'a Windows,
    /// The target's metrics before the workload and now.
    pub scrapes: Option<(&'a Scrape, &'a Scrape)>,
    /// Time since the start of the run, the warm-up included.
    pub elapsed: Duration,
}

impl SoFar<'_> {
    /// The state of every threshold.
    pub fn threshold_states(&self) -> Vec<ThresholdState> {
        let thresholds = self.scenario.thresholds.iter().enumerate();
        thresholds
            .map(|(i, t)| self.threshold_state(i, t))
            .collect()
    }

    fn threshold_state(&self, index: usize, threshold: &Threshold) -> ThresholdState {
        let (recorded_from, until) = self.scenario.span_of(&threshold.metric);
        // All workloads together may be held, and end later.
        let until = until.filter(|_| threshold.metric.workload().is_some());
        let (figure, at) = match self.windows.worst(index, threshold, self.elapsed) {
            Some(worst) => (worst.figure, worst.at),
            None => {
                let until = until.map_or(self.elapsed, |until| until.min(self.elapsed));
                let measured = until.saturating_sub(recorded_from);
                let (scenario, figures) = (self.scenario, self.figures);
                let figure =
                    verdict::over_the_run(scenario, figures, self.scrapes, threshold, measured);
                (figure, None)
            }
        };
        let holds = figure.and_then(|figure| holds_so_far(threshold, figure));
        let abort_from = threshold.abort_after.map(|delay| recorded_from + delay);
        ThresholdState {
            threshold: threshold.text.clone(),
            figure: match figure {
                Some(_) => verdict::reason(threshold, figure, at),
                None => "no samples yet".to_owned(),
            },
            holds,
            aborts: holds == Some(false) && abort_from.is_some_and(|from| self.elapsed >= from),
        }
    }
}

/// Whether the threshold holds so far; `None` if only the end of the run can decide it.
fn holds_so_far(threshold: &Threshold, figure: f64) -> Option<bool> {
    match threshold.holds(figure) {
        _ if threshold.metric == Metric::BacklogEnd => None,
        false if !threshold.can_be_missed_early() => None,
        holds => Some(holds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_rest_of_the_run_could_not_mend_counts_as_missed() {
        for (threshold, figure, expected) in [
            ("p(99) < 20ms", 10_000.0, Some(true)),
            ("p(99) < 20ms", 30_000.0, Some(false)),
            ("error_rate < 0.1%", 0.5, Some(false)),
            ("journeys.failed <= 0", 1.0, Some(false)),
            ("journeys.completed >= 100", 7.0, None),
            ("journeys.completed >= 100", 100.0, Some(true)),
            ("journeys.completed over 10s >= 100", 7.0, Some(false)),
            ("backlog_end == 0", 5.0, None),
        ] {
            let parsed: Threshold = threshold.parse().unwrap();
            assert_eq!(
                holds_so_far(&parsed, figure),
                expected,
                "{threshold}: {figure}"
            );
        }
    }
}
