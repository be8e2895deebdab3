//! Shows the latency budget as text: a column for each request or state, a row for each part; and the slowest journey, part by part.

use std::fmt::Write as _;

use super::table::Table;
use super::{count, signed_time};
use crate::budget::place;
use crate::report::Report;
use crate::report::latency_budget::{Budget, BudgetPart, Lane, LaneLeg, Waterfall};

/// Columns of one table; further ones are in a table below it.
const COLUMNS_MAX: usize = 4;
/// Rows of the slowest journey, and parts in each row.
const LANES_MAX: usize = 20;
const LEGS_MAX: usize = 4;

/// Writes the budget; writes nothing if no journey was sampled.
pub fn write(report: &Report, out: &mut String) {
    let Some(budget) = &report.latency_budget else {
        return;
    };
    for (what, budgets) in [
        ("end to end", &budget.states),
        ("request", &budget.requests),
    ] {
        for columns in budgets.chunks(COLUMNS_MAX) {
            out.push('\n');
            table(what, columns).write(out);
        }
    }
    writeln!(
        out,
        "\nlatency budget: mean, p50, p99 of {} sampled journeys; the means of the parts add up to the whole",
        count(budget.sampled)
    )
    .expect("writing to a String cannot fail");
    if let Some(slowest) = budget.slowest.first() {
        waterfall(slowest, out);
    }
}

fn cell(part: &BudgetPart) -> String {
    let [mean, p50, p99] = [part.mean_us, part.p50_us, part.p99_us].map(signed_time);
    format!("{mean}, {p50}, {p99}")
}

fn table(what: &str, budgets: &[Budget]) -> Table {
    let mut names: Vec<&str> = budgets
        .iter()
        .flat_map(|b| b.parts.iter().map(|part| part.name.as_str()))
        .collect();
    names.sort_by_key(|name| place(name));
    names.dedup();
    let mut header = vec![format!("budget: {what}")];
    header.extend(budgets.iter().map(|b| b.name.clone()));
    let mut table = Table::named(header);
    for name in names {
        let mut row = vec![name.to_owned()];
        row.extend(budgets.iter().map(|b| {
            let part = b.parts.iter().find(|part| part.name == name);
            part.map_or_else(|| "–".to_owned(), cell)
        }));
        table.rows.push(row);
    }
    let mut all = vec!["all".to_owned()];
    all.extend(budgets.iter().map(|b| cell(&b.total)));
    table.rows.push(all);
    table
}

fn waterfall(journey: &Waterfall, out: &mut String) {
    let mut say = |line: String| writeln!(out, "{line}").expect("writing to a String cannot fail");
    say(format!(
        "\nslowest sampled journey: {} at {:.1} s, trace {}\n",
        signed_time(journey.length_us),
        journey.at_s,
        journey.trace
    ));
    for lane in journey.lanes.iter().take(LANES_MAX) {
        let end_us = lane.legs.last().map_or(lane.from_us, |leg| leg.to_us);
        let (from, length) = (
            signed_time(lane.from_us),
            signed_time(end_us - lane.from_us),
        );
        say(format!(
            "    {from:>9} {length:>9}  {}: {}",
            lane.name,
            longest(lane)
        ));
    }
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
