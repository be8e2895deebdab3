//! Shows several candidates beside one baseline: what each side shows in one table, then each candidate's figures.

use std::collections::BTreeSet;

use loadgen_report::compare::{Comparison, ComparisonSet, FigureComparison, Group, Role};

use super::{changed, differs, notes, plots, quantity, table, verdict_tone};
use crate::document::{Answer, Document};
use crate::error::ReportError;
use crate::page::Pictures;
use crate::plots::figure::drawn;
use crate::table::{Cell, Table};

/// The figures of the table of all sides, where the runs have them; each candidate's own table has all that decide.
const SHOWN: [&str; 6] = [
    "cpu_per_journey",
    "cpu_per_journey.redis",
    "response_time.p50",
    "response_time.p99",
    "end_to_end.p50",
    "journeys.per_s",
];
/// The ids of the candidates' tables, in their order; more candidates than that have none.
const IDS: [&str; 7] = ["of-b", "of-c", "of-d", "of-e", "of-f", "of-g", "of-h"];

/// Several candidates, each compared with the same baseline.
pub fn document(set: &ComparisonSet) -> Document {
    let first = set.comparisons.first();
    let warnings: BTreeSet<String> = set
        .comparisons
        .iter()
        .flat_map(|c| c.warnings.iter().cloned())
        .collect();
    let each = set.comparisons.iter().enumerate();
    let tables = each.map(|(at, comparison)| {
        let decide = comparison.figures.iter().filter(|f| f.role != Role::Shown);
        let id = IDS.get(at).copied().unwrap_or_default();
        let title = format!("{}: deciding figures", comparison.candidate.label);
        table(id, &title, &decide.collect::<Vec<_>>(), comparison)
    });
    Document {
        title: first.map_or_else(String::new, |c| c.scenario.clone()),
        description: String::new(),
        facts: first
            .into_iter()
            .flat_map(facts)
            .chain(set.comparisons.iter().flat_map(|comparison| {
                let label = &comparison.candidate.label;
                let differing = differs(comparison).collect::<Vec<_>>().join("; ");
                std::iter::once(format!("candidate: {label}; {differing}"))
            }))
            .collect(),
        answer: Answer {
            word: set.verdict.as_str().to_owned(),
            tone: verdict_tone(set.verdict),
            meaning: "",
            reasons: set.reasons.clone(),
        },
        errors: Vec::new(),
        warnings: warnings.into_iter().collect(),
        deciding: first.map(|first| sides(first, set)).into_iter().collect(),
        tables: tables.collect(),
        settings: Vec::new(),
        notes: first.map(notes).unwrap_or_default(),
    }
}

/// The page of several candidates; the groups are all sides, the baseline first.
///
/// # Errors
/// An interval log can't be decoded, or a plot can't be drawn.
pub fn page(set: &ComparisonSet, groups: &[Group]) -> Result<String, ReportError> {
    let plots = plots::spectra_of_all(groups)?.map(drawn);
    let pictures = Pictures {
        plots: plots.into_iter().collect::<Result<_, _>>()?,
        ..Pictures::default()
    };
    crate::page::page(&document(set), &pictures)
}

fn facts(first: &Comparison) -> [String; 2] {
    [
        format!("{} · {}", first.workload, super::design(first)),
        format!("baseline: {}", first.baseline.label),
    ]
}

/// A row a side, a column a figure: its value, and the change with its interval.
fn sides(first: &Comparison, set: &ComparisonSet) -> Table {
    let named = SHOWN.iter();
    let figures = named.filter_map(|name| first.figures.iter().find(|f| f.name == *name));
    let figures: Vec<&FigureComparison> = figures.collect();
    let mut table = Table::new("sides", "Sides")
        .words(["side"])
        .numbers(figures.iter().map(|f| f.name.clone()))
        .note(format!(
            "Geometric means of the runs; the change against the first side with its {:.0} % interval, and the verdict.",
            first.confidence * 100.0
        ));
    let of_baseline = figures.iter().map(|f| quantity(f.unit, f.baseline).into());
    table.row(std::iter::once(Cell::from(first.baseline.label.as_str())).chain(of_baseline));
    for comparison in &set.comparisons {
        let cells = figures.iter().map(|figure| {
            let own = comparison.figures.iter().find(|f| f.name == figure.name);
            own.map_or_else(|| Cell::from(crate::quantity::NONE), cell)
        });
        let label = Cell::from(comparison.candidate.label.as_str());
        table.row(std::iter::once(label).chain(cells));
    }
    table
}

fn cell(figure: &FigureComparison) -> Cell {
    let (changed, interval) = changed(figure);
    let text = format!(
        "{}, {changed} ({interval}), {}",
        quantity(figure.unit, figure.candidate),
        figure.verdict.as_str()
    );
    Cell::from(text)
        .tone(super::figure_tone(figure.verdict))
        .more(figure.reason.clone())
}
