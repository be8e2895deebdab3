//! The page `capacity.html`: a self-contained file that looks like a run's report.

use askama::Template;

use super::charts::charts;
use super::{HEADER, HOW, conclusion, rows};
use crate::capacity::{CapacityReport, CapacityResult};
use crate::render::html::figure::{Figure, drawn};
use crate::render::html::tables::Table;
use crate::render::{RenderError, date};

#[derive(Template)]
#[template(path = "capacity.html")]
struct Page<'a> {
    report: &'a CapacityReport,
    title: String,
    started: String,
    how_probed: String,
    verdict_class: &'static str,
    headline: String,
    sentences: Vec<String>,
    figures: Vec<Figure>,
    table: Table,
    how: &'static str,
}

/// The page of a search.
///
/// # Errors
/// A plot can't be drawn.
pub fn page(report: &CapacityReport) -> Result<String, RenderError> {
    let (headline, sentences) = conclusion(report);
    let figures = charts(report).into_iter().map(drawn);
    let setting = &report.setting;
    let page = Page {
        report,
        title: format!("{}: {headline}", setting.scenario),
        started: date::shown(report.started_at),
        how_probed: format!(
            "{} probes of {:.0} s, {:.0} s of them warm-up",
            report.probes.len(),
            setting.probe_s,
            setting.warm_up_s
        ),
        verdict_class: match report.result {
            CapacityResult::Found => "pass",
            CapacityResult::None => "fail",
            _ => "invalid",
        },
        headline,
        sentences,
        figures: figures.collect::<Result<_, _>>()?,
        table: Table {
            caption: "Probes",
            note: String::new(),
            header: HEADER.to_vec(),
            rows: rows(report),
            words: false,
        },
        how: HOW,
    };
    page.render().map_err(|e| RenderError::Page(e.to_string()))
}
