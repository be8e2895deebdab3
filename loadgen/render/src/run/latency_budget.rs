//! The latency budget as tables: a column for each request or state, a row for each part; and the slowest journey, part by part.

use loadgen_engine::budget::parts::place;
use loadgen_report::Report;
use loadgen_report::latency_budget::{Budget, BudgetPart, Lane, LaneLeg, Waterfall};
use loadgen_report::units::{count, signed_time, without_minus_zero};

use crate::quantity::{NONE, known};
use crate::table::{Cell, Table};

/// Columns of one table; further ones are in a table below it.
const COLUMNS_MAX: usize = 4;
/// Rows of the slowest journey, and parts in each row.
const LANES_MAX: usize = 20;
const LEGS_MAX: usize = 4;

/// The tables; none if no journey was sampled.
pub fn tables(report: &Report) -> Vec<Table> {
    let Some(budget) = &report.latency_budget else {
        return Vec::new();
    };
    let sampled = budget.sampled;
    let states = budget.states.chunks(COLUMNS_MAX);
    let states = states.map(|some| {
        table(
            "Latency budget until a state is visible: mean, p50, p99",
            some,
            sampled,
        )
    });
    let requests = budget.requests.chunks(COLUMNS_MAX);
    let requests =
        requests.map(|some| table("Latency budget of requests: mean, p50, p99", some, sampled));
    states
        .chain(requests)
        .chain(budget.slowest.first().map(slowest))
        .collect()
}

fn table(title: &str, budgets: &[Budget], sampled: u64) -> Table {
    let mut names: Vec<&str> = budgets
        .iter()
        .flat_map(|b| b.parts.iter().map(|part| part.name.as_str()))
        .collect();
    names.sort_by_key(|name| place(name));
    names.dedup();
    let mut table = Table::new("", title)
        .note(format!(
            "Of {} sampled journeys; the means of the parts add up to the whole. Times within a process are exact; times between two machines contain the difference of their clocks, which may make a part negative.",
            count(sampled)
        ))
        .words(["part"])
        .numbers(budgets.iter().map(|b| &b.name));
    for name in names {
        let cells = budgets.iter().map(|b| {
            let part = b.parts.iter().find(|part| part.name == name);
            part.map_or_else(|| NONE.into(), |part| cell(part, b))
        });
        table.row(std::iter::once(name.into()).chain(cells));
    }
    let totals = budgets.iter().map(|b| cell(&b.total, b));
    table.row(std::iter::once("all".into()).chain(totals));
    table
}

fn cell(part: &BudgetPart, of: &Budget) -> Cell {
    let [mean, p50, p99] = [part.mean_us, part.p50_us, part.p99_us].map(signed_time);
    Cell::from(format!("{mean}, {p50}, {p99}")).more(format!(
        "{} of the mean of {} × {}",
        known(of.share_pct(part), |pct| format!("{pct:.1} %")),
        count(of.count),
        of.name
    ))
}

fn slowest(journey: &Waterfall) -> Table {
    let lanes = journey.lanes.iter().take(LANES_MAX);
    let rows = lanes.map(|lane| {
        let end_us = lane.legs.last().map_or(lane.from_us, |leg| leg.to_us);
        [
            lane.name.clone(),
            signed_time(lane.from_us),
            signed_time(end_us - lane.from_us),
            longest(lane),
        ]
    });
    let title = format!(
        "Slowest sampled journey: {} at {:.1} s, trace {}",
        signed_time(journey.length_us),
        without_minus_zero(journey.at_s, 1),
        journey.trace
    );
    Table::new("slowest", title)
        .words(["request or state"])
        .numbers(["from", "took"])
        .words(["its longest parts"])
        .rows(rows)
}

/// The longest parts of a lane, in words.
fn longest(lane: &Lane) -> String {
    let ends = lane.legs.iter().map(|leg| leg.to_us);
    let begins = std::iter::once(lane.from_us).chain(ends);
    let mut legs: Vec<(f64, &LaneLeg)> = begins
        .zip(&lane.legs)
        .map(|(from_us, leg)| (leg.to_us - from_us, leg))
        .collect();
    legs.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let said = legs.iter().take(LEGS_MAX).map(|(length_us, leg)| {
        let at = match leg.at == lane.name || leg.at.is_empty() {
            true => String::new(),
            false => format!(" ({})", leg.at),
        };
        format!("{} {}{at}", signed_time(*length_us), leg.part)
    });
    said.collect::<Vec<_>>().join(", ")
}
