//! The slowest sampled journeys as waterfalls: a row for each request and awaited state, from its start, in parts.

use super::bars::{Bar, Bars, Stretch};
use super::figure::{DrawnPlot, drawn_bars};
use super::latency_budget::{colour_of, legend};
use crate::error::ReportError;
use loadgen_engine::budget::parts::EARLIER;
use loadgen_report::Report;
use loadgen_report::latency_budget::{Lane, LaneLeg, Waterfall};
use loadgen_report::units::{signed_time, without_minus_zero};

/// Largest number of parts in the hover text of a row.
const LEGS_SAID_MAX: usize = 24;

/// The waterfalls, the slowest journey first.
///
/// # Errors
/// A picture can't be drawn.
pub fn waterfalls(report: &Report) -> Result<Vec<DrawnPlot>, ReportError> {
    let journeys = report.latency_budget.iter().flat_map(|b| &b.slowest);
    let drawn = journeys.enumerate().map(|(i, journey)| figure(i, journey));
    drawn.collect()
}

fn figure(index: usize, journey: &Waterfall) -> Result<DrawnPlot, ReportError> {
    let title = format!(
        "{} at {:.1} s",
        signed_time(journey.length_us),
        without_minus_zero(journey.at_s, 1)
    );
    let bars = Bars {
        description: format!("Waterfall of a journey: {title}"),
        rows: journey.lanes.iter().map(row).collect(),
    };
    let parts = journey
        .lanes
        .iter()
        .flat_map(shown)
        .map(|(_, leg)| &*leg.part);
    drawn_bars(
        format!("waterfall-{index}"),
        title,
        format!("Trace {}", journey.trace),
        &bars,
        legend(parts),
    )
}

/// The parts of a lane with their starts, without the journey's earlier steps, which have their own rows.
fn shown(lane: &Lane) -> impl Iterator<Item = (f64, &LaneLeg)> {
    let ends = lane.legs.iter().map(|leg| leg.to_us);
    let begins = std::iter::once(lane.from_us).chain(ends);
    begins
        .zip(&lane.legs)
        .filter(|(_, leg)| leg.part != EARLIER)
}

fn row(lane: &Lane) -> Bar {
    let end_us = lane.legs.last().map_or(lane.from_us, |leg| leg.to_us);
    let whole = signed_time(end_us - lane.from_us);
    let mut text = format!("{}: {whole}, from {}", lane.name, signed_time(lane.from_us));
    let mut stretches = Vec::new();
    for (n, (from_us, leg)) in shown(lane).enumerate() {
        stretches.push(Stretch {
            x: (from_us / 1e3, leg.to_us / 1e3),
            colour: colour_of(&leg.part),
        });
        if n < LEGS_SAID_MAX {
            let length = signed_time(leg.to_us - from_us);
            text += &format!("\n{length} {}", leg.part);
            if leg.at != lane.name && !leg.at.is_empty() {
                text += &format!(" ({})", leg.at);
            }
        }
    }
    Bar {
        name: lane.name.clone(),
        value: whole,
        stretches,
        text,
    }
}
