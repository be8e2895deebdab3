//! The outcome of a replay's invoices: each is ordered, cancelled or skipped for a reason, and the counts must add up.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::record::JourneyCounts;
use crate::scenario::{Scenario, recorded};

/// The replay section of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplayReport {
    /// The export's file name, without its folder.
    pub trace: String,
    /// Speed as a multiple of the recorded speed.
    pub speed: f64,
    /// Number of different invoices in the export: `ordered + cancelled + Σ skipped`.
    pub invoices: u64,
    /// Invoices played as orders, those that were cancelled later included.
    pub ordered: u64,
    /// Invoices played as cancellations.
    pub cancelled: u64,
    /// Invoices not played, by reason: left out by the plan, or failed in the run.
    pub skipped: BTreeMap<String, u64>,
    /// The export's lines by their use in the plan.
    pub lines: ReplayLines,
    /// Seconds from the first invoice to the last one's payment, as planned.
    pub length_s: f64,
}

/// The export's lines, as planned: `total = ordered + cancelled + Σ left_out`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplayLines {
    /// All lines below the header.
    pub total: u64,
    /// Lines of invoices that are planned as orders.
    pub ordered: u64,
    /// Lines of invoices that are planned as cancellations.
    pub cancelled: u64,
    /// All other lines, by reason.
    pub left_out: BTreeMap<String, u64>,
}

/// What is known of a replay before the run.
#[derive(Debug, Clone)]
pub struct ReplayFacts {
    /// The export's file name, without its folder.
    pub trace: String,
    /// Speed as a multiple of the recorded speed.
    pub speed: f64,
    /// Number of different invoices in the export.
    pub invoices: u64,
    /// Invoices that will be played.
    pub planned: u64,
    /// Invoices left out, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// The export's lines.
    pub lines: ReplayLines,
    /// Time from the first invoice to the last one's payment.
    pub length: Duration,
}

impl ReplayReport {
    /// Builds the section from the plan and the run's counts; `stopped` says that the run was stopped early.
    pub fn new(
        facts: &ReplayFacts,
        scenario: &Scenario,
        counts: &JourneyCounts,
        stopped: bool,
    ) -> Self {
        let done = |name: &str| -> u64 {
            let index = scenario.journeys.iter().position(|j| j.name == name);
            index
                .and_then(|i| counts.done.get(&i))
                .copied()
                .unwrap_or(0)
        };
        let mut skipped = facts.skipped.clone();
        for (reason, count) in &counts.skipped {
            *skipped.entry(reason.clone()).or_default() += count;
        }
        let begun = counts.started + counts.dropped + counts.unsent;
        let never_due = match stopped {
            true => facts.planned.saturating_sub(begun),
            false => 0,
        };
        let in_the_run = [
            ("failed in the run", counts.failed),
            ("over the limit of journeys in flight", counts.dropped),
            ("the run was stopped before", counts.unsent + never_due),
        ];
        for (reason, count) in in_the_run.into_iter().filter(|(_, count)| *count > 0) {
            *skipped.entry(reason.to_owned()).or_default() += count;
        }
        Self {
            trace: facts.trace.clone(),
            speed: facts.speed,
            invoices: facts.invoices,
            ordered: done(recorded::ORDER),
            cancelled: done(recorded::CANCELLATION),
            skipped,
            lines: facts.lines.clone(),
            length_s: facts.length.as_secs_f64(),
        }
    }

    /// Says which counts do not add up, which means that an invoice was lost or counted twice; `None` if all do.
    pub fn contradiction(&self) -> Option<String> {
        let skipped: u64 = self.skipped.values().sum();
        let (invoices, ordered, cancelled) = (self.invoices, self.ordered, self.cancelled);
        let lines = &self.lines;
        let left_out: u64 = lines.left_out.values().sum();
        if ordered + cancelled + skipped != invoices {
            return Some(format!(
                "the replay's invoices do not add up: {ordered} ordered + {cancelled} cancelled + {skipped} skipped ≠ {invoices}"
            ));
        }
        (lines.ordered + lines.cancelled + left_out != lines.total).then(|| {
            format!(
                "the replay's lines do not add up: {} ordered + {} cancelled + {left_out} left out ≠ {}",
                lines.ordered, lines.cancelled, lines.total
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(ordered: u64, cancelled: u64, skipped: u64) -> ReplayReport {
        ReplayReport {
            trace: "orders.csv".into(),
            speed: 60.0,
            invoices: 10,
            ordered,
            cancelled,
            skipped: BTreeMap::from([("zero price".to_owned(), skipped)]),
            lines: ReplayLines::default(),
            length_s: 1.0,
        }
    }

    #[test]
    fn an_invoice_that_is_lost_or_counted_twice_contradicts_the_report() {
        assert_eq!(report(7, 2, 1).contradiction(), None);
        for (ordered, cancelled, skipped) in [(6, 2, 1), (7, 2, 2)] {
            let said = report(ordered, cancelled, skipped).contradiction();
            assert!(said.is_some_and(|text| text.contains("≠ 10")));
        }
    }
}
