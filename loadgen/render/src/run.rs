//! Shows a run: its verdict, and tables of everything measured.

mod agents;
mod cost;
mod http;
mod key_figures;
mod latency_budget;
mod profile;
mod settings;
mod tables;
mod workloads;

use loadgen_report::folder::RunFolder;
use loadgen_report::units::count;
use loadgen_report::{ErrorReport, Report, VerdictResult};

use crate::document::{Answer, Document};
use crate::error::ReportError;
use crate::markdown::markdown;
use crate::page::{FoldedPlots, Pictures, page};
use crate::plots::{plots, waterfalls};
use crate::table::Tone;
use crate::{date, file};

/// Errors that are told again at the end of a text.
const ERRORS_MAX: usize = 3;

/// Writes `summary.md`, `report.html` and the flame graphs of a profiled run into the run's folder.
///
/// # Errors
/// A log can't be decoded or a file can't be written.
pub fn write_all(folder: &RunFolder) -> Result<(), ReportError> {
    let report = &folder.report;
    let document = document(report);
    let pictures = Pictures {
        tiles: key_figures::tiles(report),
        plots: plots(folder)?,
        folded: FoldedPlots {
            id: "waterfalls",
            title: "Slowest sampled journeys",
            note: "Each request and awaited state from its start; the part of a state before its request is left out. Hover over a row, or tap it, to see its parts.",
            plots: waterfalls(report)?,
        },
    };
    profile::write_flame_graphs(folder)?;
    file::write(&folder.path, "summary.md", &markdown(&document))?;
    file::write(&folder.path, "report.html", &page(&document, &pictures)?)
}

/// The document of a run.
pub fn document(report: &Report) -> Document {
    Document {
        title: report.scenario.clone(),
        description: report.description.clone(),
        facts: std::iter::once(format!(
            "{} · {} · {}",
            date::shown(report.started_at),
            report.workload.description,
            report.environment.target
        ))
        .chain(report.environment.built_with())
        .chain(report.profile.as_ref().map(profile::files))
        .collect(),
        answer: answer(report),
        errors: report.errors.iter().take(ERRORS_MAX).map(error).collect(),
        warnings: report.warnings.clone(),
        deciding: Vec::new(),
        tables: tables::tables(report),
        settings: settings::settings(report),
        notes: vec![
            "Response time = completed − intended start, service time = completed − actual start, of requests answered as expected; schedule slip = actual − intended start.".to_owned(),
            "This was made from report.json and the interval logs in the same folder; `loadgen report FOLDER` makes it again.".to_owned(),
        ],
    }
}

/// An error in one line.
fn error(error: &ErrorReport) -> String {
    let first = error.examples.first().map(|example| example.lines());
    let example = first.map(|lines| format!(": {}", lines.collect::<Vec<_>>().join(" ")));
    let (kind, step, number) = (&error.kind, &error.step, count(error.count));
    format!(
        "{kind} at {step} ({number} ×){}",
        example.unwrap_or_default()
    )
}

/// Its verdict.
pub fn answer(report: &Report) -> Answer {
    let (tone, meaning) = match report.verdict.result() {
        VerdictResult::Pass => (
            Tone::Good,
            "Every threshold held, and the generator kept up.",
        ),
        VerdictResult::Fail => (Tone::Bad, "A threshold or a check failed."),
        VerdictResult::Interrupted => (
            Tone::Unsure,
            "Somebody ended the run before its end: the figures are of a part of what was asked for.",
        ),
        VerdictResult::Invalid => (
            Tone::Unsure,
            "The figures say nothing about the target: the generator could not keep up, or nothing was measured.",
        ),
    };
    Answer {
        word: report.verdict.result().as_str().to_owned(),
        tone,
        meaning,
        reasons: report.verdict.reasons().to_vec(),
    }
}
