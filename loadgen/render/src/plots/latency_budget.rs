//! The latency budget as plots. Each request and state is a bar of its parts' means, side by side in the order in which they happen.

use super::bars::{Bar, Bars, Stretch};
use super::colour::{self, Colour};
use super::figure::{DrawnPlot, drawn_bars};
use crate::error::ReportError;
use crate::quantity::known;
use loadgen_engine::budget::parts::{self, place};
use loadgen_report::Report;
use loadgen_report::latency_budget::Budget;
use loadgen_report::units::{count, signed_time};

/// The colour of a budget's part.
pub fn colour_of(part: &str) -> Colour {
    match part {
        parts::EARLIER => colour::WARM_UP,
        parts::SLIP => colour::LINES[7],
        parts::CONNECTION => colour::HEAT[3],
        parts::WRITE => colour::HEAT[4],
        "gateway" => colour::LINES[4],
        "queue" => colour::VERMILION,
        parts::HANDLER => colour::GREEN,
        parts::APPEND => colour::PURPLE,
        parts::SERVER => colour::HEAT[6],
        "reply" => colour::LINES[5],
        parts::READ => colour::HEAT[5],
        parts::STREAM_WAIT => colour::BLUE,
        parts::PROJECTION => colour::HEAT[7],
        parts::FEED => colour::HEAT[2],
        parts::UNEXPLAINED => colour::LINES[6],
        _ => colour::MARK,
    }
}

/// The legend of these parts: a patch and a name for each, in order, without repeats.
pub fn legend<'a>(parts: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let mut parts: Vec<&str> = parts.collect();
    parts.sort_by_key(|part| place(part));
    parts.dedup();
    let shown = |part: &str| (super::plot::patch(colour_of(part)), part.to_owned());
    parts.into_iter().map(shown).collect()
}

/// The pictures of states and of requests, each with its own scale.
///
/// # Errors
/// A picture can't be drawn.
pub fn figures(report: &Report) -> Result<Vec<DrawnPlot>, ReportError> {
    let Some(budget) = &report.latency_budget else {
        return Ok(Vec::new());
    };
    let of_states = (
        "budget-states",
        "Latency budget: until a state is visible",
        &budget.states,
    );
    let of_requests = (
        "budget-requests",
        "Latency budget: requests",
        &budget.requests,
    );
    let drawn = [of_states, of_requests]
        .into_iter()
        .filter(|(_, _, budgets)| !budgets.is_empty());
    drawn
        .map(|(id, title, budgets)| figure(id, title, budgets, budget.sampled))
        .collect()
}

fn figure(
    id: &'static str,
    title: &str,
    budgets: &[Budget],
    sampled: u64,
) -> Result<DrawnPlot, ReportError> {
    let bars = Bars {
        description: title.to_owned(),
        rows: budgets.iter().map(row).collect(),
    };
    let parts = budgets.iter().flat_map(|b| &b.parts);
    let note = format!(
        "Means of {} sampled journeys, part by part; they add up to the whole. Unexplained is the time that no part accounts for, mostly network and scheduling.",
        count(sampled)
    );
    drawn_bars(
        id.to_owned(),
        title.to_owned(),
        note,
        &bars,
        legend(parts.map(|p| p.name.as_str())),
    )
}

fn row(budget: &Budget) -> Bar {
    let mut at_ms = 0.0;
    let mut text = format!(
        "{}: mean {}, p50 {}, p99 {}",
        budget.name,
        signed_time(budget.total.mean_us),
        signed_time(budget.total.p50_us),
        signed_time(budget.total.p99_us)
    );
    let mut stretches = Vec::new();
    for part in &budget.parts {
        let to_ms = at_ms + part.mean_us / 1e3;
        stretches.push(Stretch {
            x: (at_ms, to_ms),
            colour: colour_of(&part.name),
        });
        at_ms = to_ms;
        text += &format!(
            "\n{}: {} ({}), p50 {}, p99 {}",
            part.name,
            signed_time(part.mean_us),
            known(budget.share_pct(part), |pct| format!("{pct:.1} %")),
            signed_time(part.p50_us),
            signed_time(part.p99_us)
        );
    }
    Bar {
        name: budget.name.clone(),
        value: signed_time(budget.total.mean_us),
        stretches,
        text,
    }
}
