//! The plots of a run, and the parts that all plots are drawn with.

pub(crate) mod axis;
mod bars;
pub(crate) mod charts;
pub(crate) mod colour;
pub(crate) mod figure;
mod flame_graph;
mod heat_map;
mod latency_budget;
pub(crate) mod plot;
pub(crate) mod timeline;
mod waterfall;

use loadgen_report::folder::RunFolder;
use loadgen_report::units::count;

use self::charts::{TimePlots, percentiles};
use self::figure::{DrawnPlot, drawn, unexpected};
use self::plot::FRAMES;
use self::timeline::SlotTimeline;
use crate::error::ReportError;

pub use self::flame_graph::flame_graph;
pub use self::waterfall::waterfalls;

/// All plots of a run but the waterfalls.
///
/// # Errors
/// An interval log can't be decoded, or a plot can't be drawn.
pub fn plots(folder: &RunFolder) -> Result<Vec<DrawnPlot>, ReportError> {
    let (report, timeline) = (&folder.report, &SlotTimeline::new(&folder.logs)?);
    let time_plots = TimePlots::new(report, timeline);
    let mut figures = Vec::new();
    // No plots without samples: empty axes would look like a response time of 0.
    if !timeline.response_total.0.is_empty() {
        figures.push(drawn(time_plots.response_time())?);
    }
    let totals = [
        &timeline.response_total,
        &timeline.failed_total,
        &timeline.unanswered_total,
    ];
    if totals.iter().any(|times| !times.0.is_empty()) {
        figures.push(drawn(percentiles::spectrum(timeline))?);
    }
    let more = [
        time_plots.throughput(),
        time_plots.workloads(),
        time_plots.end_to_end(),
        percentiles::end_to_end_spectrum(report, timeline),
        time_plots.event_lag(),
        time_plots.backlog(),
        time_plots.errors(),
    ];
    for chart in more.into_iter().flatten() {
        figures.push(drawn(chart)?);
    }
    figures.extend(latency_budget::figures(report)?);
    if !timeline.response_total.0.is_empty() {
        figures.push(heat_map(&time_plots, timeline)?);
    }
    for chart in [time_plots.in_flight(), time_plots.cpu()]
        .into_iter()
        .flatten()
    {
        figures.push(drawn(chart)?);
    }
    Ok(figures)
}

/// Draws the heat map for each frame separately, because a narrow frame has fewer columns.
fn heat_map(time_plots: &TimePlots<'_>, timeline: &SlotTimeline) -> Result<DrawnPlot, ReportError> {
    let (chart, most) = heat_map::chart(time_plots, timeline, FRAMES[0]);
    let mut figure = drawn(chart)?;
    for (svg, frame) in figure.svgs.iter_mut().zip(FRAMES).skip(1) {
        let (chart, _) = heat_map::chart(time_plots, timeline, frame);
        *svg = chart.plot.svg(frame).map_err(unexpected)?;
    }
    figure.shades = colour::HEAT.iter().map(|c| colour::hex(*c)).collect();
    figure.most = count(most);
    Ok(figure)
}
