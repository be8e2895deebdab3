//! The page `report.html`: a self-contained file for light and dark, wide and narrow screens. The verdict comes first, then the plots, then
//! the tables. Text from a scenario or a server is escaped everywhere.

pub(in crate::render) mod axis;
mod bars;
mod budget;
pub(in crate::render) mod charts;
pub(in crate::render) mod colour;
pub(in crate::render) mod figure;
mod heat_map;
mod key_figures;
pub(in crate::render) mod plot;
mod settings;
pub(in crate::render) mod tables;
pub(in crate::render) mod timeline;
mod waterfall;

use askama::Template;

use self::charts::Course;
use self::figure::{Figure, drawn, unexpected};
use self::key_figures::Tile;
use self::plot::FRAMES;
use self::tables::{ErrorView, Table};
use self::timeline::Timeline;
use super::{RenderError, count, date, time};
use crate::report::folder::RunFolder;
use crate::report::{Report, VerdictResult};

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    title: String,
    started: String,
    verdict_class: &'static str,
    verdict_word: &'static str,
    verdict_meaning: &'static str,
    tiles: Vec<Tile>,
    figures: Vec<Figure>,
    /// The slowest sampled journeys.
    waterfalls: Vec<Figure>,
    tables: Vec<Table>,
    errors: Vec<ErrorView>,
    settings: Vec<Table>,
}

/// The page of a run.
///
/// # Errors
/// An interval log can't be decoded, or a plot can't be drawn.
pub fn page(folder: &RunFolder) -> Result<String, RenderError> {
    let report = &folder.report;
    let timeline = Timeline::new(&folder.logs)?;
    let (verdict_class, verdict_meaning) = match report.verdict.result {
        VerdictResult::Pass => ("pass", "Every threshold held, and the generator kept up."),
        VerdictResult::Fail => ("fail", "A threshold or a check failed."),
        VerdictResult::Invalid => (
            "invalid",
            "The figures below say nothing about the target: the generator could not keep up, or nothing was measured.",
        ),
    };
    let page = Page {
        report,
        title: format!("{}: {}", report.scenario, report.verdict.result.as_str()),
        started: date::shown(report.started_at),
        verdict_class,
        verdict_word: report.verdict.result.as_str(),
        verdict_meaning,
        tiles: key_figures::tiles(report),
        figures: figures(report, &timeline)?,
        waterfalls: waterfall::figures(report)?,
        tables: tables::tables(report),
        errors: tables::errors(report),
        settings: settings::settings(report),
    };
    page.render().map_err(|e| RenderError::Page(e.to_string()))
}

fn figures(report: &Report, timeline: &Timeline) -> Result<Vec<Figure>, RenderError> {
    let course = Course::new(report, timeline);
    let mut figures = Vec::new();
    if timeline.response_total.0.is_empty() {
        // No plots without samples: empty axes would look like a response time of 0.
    } else {
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
    figures.extend(budget::figures(report)?);
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
