//! The outcome of a replay's invoices: each is ordered, cancelled or skipped for a reason, and the counts must add up.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use loadgen_engine::record::JourneyCounts;
use loadgen_scenario::trace::Reason;
use loadgen_scenario::{Scenario, recorded};

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
    /// The share of the lines that may be left out, in percent; cancellations without an order don't count.
    #[serde(default = "all_of_them")]
    pub left_out_pct_max: f64,
    /// Seconds from the first invoice to the last one's payment, as planned.
    pub length_s: f64,
}

/// What reports allow that were written before there was a limit, in percent.
fn all_of_them() -> f64 {
    100.0
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
    /// The share of the lines that may be left out, in percent.
    pub left_out_pct_max: f64,
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
            left_out_pct_max: facts.left_out_pct_max,
            length_s: facts.length.as_secs_f64(),
        }
    }

    /// Says that more of the export was left out than may be, and why; `None` if it was not.
    pub fn too_much_left_out(&self) -> Option<String> {
        // A cancellation without an order is the shop's story, not a line that could not be used.
        let no_order = Reason::NoMatchingOrder.text();
        let mut reasons: Vec<(&String, &u64)> = self
            .lines
            .left_out
            .iter()
            .filter(|(reason, _)| *reason != no_order)
            .collect();
        let count: u64 = reasons.iter().map(|(_, count)| **count).sum();
        let share_pct = 100.0 * count as f64 / self.lines.total.max(1) as f64;
        if share_pct <= self.left_out_pct_max {
            return None;
        }
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let reasons: Vec<String> = reasons.iter().map(|(r, n)| format!("{n} × {r}")).collect();
        Some(format!(
            "{count} of {} lines of the trace were left out, {share_pct:.1} % > {} % ({}), so this was not the recorded load; correct the mapping or the file, or allow it by `left_out_pct_max` in [trace]",
            self.lines.total,
            self.left_out_pct_max,
            reasons.join(", ")
        ))
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
            left_out_pct_max: 5.0,
            length_s: 1.0,
        }
    }

    #[test]
    fn lines_left_out_count_against_the_limit_but_for_cancellations_without_an_order() {
        let mut replay = report(7, 2, 1);
        replay.lines.total = 100;
        let left_out = |unreadable: u64, no_order: u64| {
            let counts = [
                ("unreadable price", unreadable),
                ("no matching order", no_order),
            ];
            BTreeMap::from(counts.map(|(reason, count)| (reason.to_owned(), count)))
        };
        for (unreadable, no_order, fails) in [(5, 90, false), (6, 0, true)] {
            replay.lines.left_out = left_out(unreadable, no_order);
            let said = replay.too_much_left_out();
            assert_eq!(said.is_some(), fails, "{said:?}");
            assert!(said.is_none_or(|text| text.contains("6 × unreadable price")));
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
