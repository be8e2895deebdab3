//! Whole distributions by percentile, on an axis on which each further nine has the same width.

use super::super::axis::Axis;
use super::super::colour::{BLUE, Colour, GREEN, LINES, PURPLE, VERMILION};
use super::super::plot::{Plot, PlotLine, Strip};
use super::super::timeline::SlotTimeline;
use super::Chart;
use loadgen_engine::record::Times;
use loadgen_report::Report;
use loadgen_report::units::time;

/// The plot of response time and service time by percentile.
pub fn spectrum(timeline: &SlotTimeline) -> Chart {
    let distributions = [
        ("response time", VERMILION, &timeline.response_total),
        ("service time", BLUE, &timeline.service_total),
        ("answered with an error", PURPLE, &timeline.failed_total),
        ("unanswered", GREEN, &timeline.unanswered_total),
    ];
    Chart {
        id: "spectrum",
        title: "Percentiles: response beside service time".into(),
        note: "Response and service time are of requests answered as expected; the others have lines of their own. Each further nine has the same width. Where the lines part, requests waited before they were sent.".into(),
        plot: percentiles(&distributions, "time, log scale"),
    }
}

/// The plot of end-to-end latency by percentile; `None` without awaited states.
pub fn end_to_end_spectrum(report: &Report, timeline: &SlotTimeline) -> Option<Chart> {
    let names = report.end_to_end.iter().map(|e| e.name.as_str());
    let all = names.zip(LINES).zip(&timeline.end_to_end_total);
    let known: Vec<(&str, Colour, &Times)> = all
        .map(|((name, colour), times)| (name, colour, times))
        .filter(|(_, _, times)| !times.0.is_empty())
        .collect();
    (!known.is_empty()).then(|| Chart {
        id: "end-to-end-spectrum",
        title: "Percentiles: end-to-end latency".into(),
        note: "Intended start of the order → visible, by awaited state.".into(),
        plot: percentiles(&known, "until visible, log scale"),
    })
}

/// Points of a line for each nine.
const PLACES_PER_NINE: usize = 20;

/// A plot of several distributions.
pub fn percentiles(distributions: &[(&str, Colour, &Times)], y_name: &str) -> Plot {
    let most = distributions.iter().map(|(_, _, t)| t.0.len()).max();
    let x = Axis::nines(most.unwrap_or(0));
    let places = (x.to * PLACES_PER_NINE as f64).ceil() as usize;
    let quantile = |place: usize| 1.0 - 10_f64.powf(-(place as f64) / PLACES_PER_NINE as f64);
    let at = |times: &Times, place: usize| times.0.value_at_quantile(quantile(place)) as f64;
    let known = || distributions.iter().filter(|(_, _, t)| !t.0.is_empty());
    let values = known().flat_map(|(_, _, t)| [at(t, 0), at(t, places)]);
    let lines = known().map(|(name, colour, times)| PlotLine {
        name: (*name).to_owned(),
        colour: *colour,
        points: (0..=places)
            .map(|p| Some((quantile(p), at(times, p))))
            .collect(),
    });
    // One strip covers two places, centred on its own.
    let strips = (0..=places).step_by(2).map(|place| {
        let of = |p: f64| 1.0 - 10_f64.powf(-p / PLACES_PER_NINE as f64);
        let said = known().map(|(name, _, t)| format!("\n{name}: {}", time(at(t, place))));
        Strip {
            x: (of((place as f64 - 1.0).max(0.0)), of(place as f64 + 1.0)),
            text: format!("{} %{}", percent(quantile(place)), said.collect::<String>()),
        }
    });
    Plot {
        description: format!("Percentile spectrum: {y_name}"),
        x,
        y: Axis::micros(values),
        y_name: y_name.to_owned(),
        lines: lines.collect(),
        cells: Vec::new(),
        warm_up: None,
        marks: Vec::new(),
        bands: Vec::new(),
        strips: strips.collect(),
    }
}

/// Formats a quantile as a percentage, with as many decimals as it needs to differ from 100.
fn percent(quantile: f64) -> String {
    let rest = (1.0 - quantile).max(1e-9);
    let decimals = (-rest.log10()).floor().max(0.0) as usize;
    format!("{:.decimals$}", quantile * 100.0)
}
