//! The plots of a run, and the parts that all plots are drawn with.

pub(crate) mod axis;
mod bars;
pub(crate) mod charts;
pub(crate) mod colour;
pub(crate) mod figure;
mod heat_map;
mod latency_budget;
pub(crate) mod plot;
pub(crate) mod timeline;
mod waterfall;

use loadgen_report::folder::RunFolder;
use loadgen_report::units::count;

use self::charts::Course;
use self::figure::{Figure, drawn, unexpected};
use self::plot::FRAMES;
use self::timeline::Timeline;
use crate::error::RenderError;

pub use self::waterfall::waterfalls;

/// All plots of a run but the waterfalls.
///
/// # Errors
/// An interval log can't be decoded, or a plot can't be drawn.
pub fn plots(folder: &RunFolder) -> Result<Vec<Figure>, RenderError> {
    let (report, timeline) = (&folder.report, &Timeline::new(&folder.logs)?);
    let course = Course::new(report, timeline);
    let mut figures = Vec::new();
    // No plots without samples: empty axes would look like a response time of 0.
    if !timeline.response_total.0.is_empty() {
        figures.push(drawn(course.response_time())?);
        figures.push(drawn(charts::spectrum(timeline))?);
    }
    let more = [
        course.throughput(),
        course.end_to_end(),
        charts::end_to_end_spectrum(report, timeline),
        course.event_lag(),
        course.backlog(),
        course.errors(),
    ];
    for chart in more.into_iter().flatten() {
        figures.push(drawn(chart)?);
    }
    figures.extend(latency_budget::figures(report)?);
    if !timeline.response_total.0.is_empty() {
        figures.push(heat_map(&course, timeline)?);
    }
    for chart in [course.in_flight(), course.cpu()].into_iter().flatten() {
        figures.push(drawn(chart)?);
    }
    Ok(figures)
}

/// Draws the heat map for each frame separately, because a narrow frame has fewer columns.
fn heat_map(course: &Course<'_>, timeline: &Timeline) -> Result<Figure, RenderError> {
    let (chart, most) = heat_map::chart(course, timeline, FRAMES[0]);
    let mut figure = drawn(chart)?;
    for (svg, frame) in figure.svgs.iter_mut().zip(FRAMES).skip(1) {
        let (chart, _) = heat_map::chart(course, timeline, frame);
        *svg = chart.plot.svg(frame).map_err(unexpected)?;
    }
    figure.shades = colour::HEAT.iter().map(|c| colour::hex(*c)).collect();
    figure.most = count(most);
    Ok(figure)
}
