//! Shows reports: tables for the terminal, `summary.md` and `report.html`. The last stage; decides nothing.

pub mod capacity;
pub mod compare;
pub mod date;
pub mod html;

mod audit;
mod latency_budget;
mod resources;
mod table;
mod tables;
mod units;

use std::fmt::Write as _;

pub use audit::audit;
pub use tables::tables;
pub use units::{count, figure, signed_time, time};

use crate::report::folder::RunFolder;
use crate::report::{Report, VerdictResult};

/// Why a report can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// An interval log can't be read.
    #[error(transparent)]
    Log(#[from] crate::record::interval_reader::LogReadError),
    /// A plot or the page can't be drawn.
    #[error("the page can't be drawn: {0}")]
    Page(String),
    /// A file can't be written.
    #[error("{path}: {error}")]
    Output {
        /// The file.
        path: std::path::PathBuf,
        /// The cause.
        error: std::io::Error,
    },
}

/// Writes `summary.md` and `report.html` into a run's folder.
///
/// # Errors
/// A log can't be decoded or a file can't be written.
pub fn write_all(folder: &RunFolder) -> Result<(), RenderError> {
    let write = |name: &str, text: String| {
        let path = folder.path.join(name);
        std::fs::write(&path, text).map_err(|error| RenderError::Output { path, error })
    };
    write("summary.md", summary(&folder.report))?;
    write("report.html", html::page(folder)?)
}

/// The verdict in one line, and one line for each reason.
pub fn verdict(report: &Report, colour: bool) -> String {
    let (code, word) = match report.verdict.result {
        VerdictResult::Pass => ("1;32", "PASS"),
        VerdictResult::Fail => ("1;31", "FAIL"),
        VerdictResult::Invalid => ("1;33", "INVALID"),
    };
    let word = if colour {
        format!("\x1b[{code}m{word}\x1b[0m")
    } else {
        word.to_owned()
    };
    let mut out = format!("verdict: {word}\n");
    for reason in &report.verdict.reasons {
        writeln!(out, "  {reason}").expect("writing to a String cannot fail");
    }
    out
}

/// The text of `summary.md`.
pub fn summary(report: &Report) -> String {
    let e = &report.environment;
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".into());
    let mut out = format!(
        "# {}: {}\n\n",
        report.scenario,
        report.verdict.result.as_str()
    );
    for reason in &report.verdict.reasons {
        writeln!(out, "* {reason}").expect("writing to a String cannot fail");
    }
    write!(
        out,
        "\n* workload: {}, seed {}\n* target: {} (version {}, {} {}, durability {})\n* machine: {} cores, {} {}; loadgen {}\n* measured: {:.1} s\n\n",
        report.workload.description,
        report.seed,
        e.target,
        known(&e.system_version),
        known(&e.redis_server),
        known(&e.redis_version),
        known(&e.durability),
        e.cores,
        e.os,
        e.arch,
        e.loadgen_version,
        report.duration_s
    )
    .expect("writing to a String cannot fail");
    out.push_str(&tables(report));
    if !report.thresholds.is_empty() {
        out.push_str("\nthresholds:\n\n");
        for t in &report.thresholds {
            let mark = if t.passed { "held" } else { "missed" };
            writeln!(out, "* {}: {mark}", t.threshold).expect("writing to a String cannot fail");
        }
    }
    out.push_str("\nResponse time is measured from the intended start, service time from the actual start. End-to-end latency is measured from the intended start of the step that the scenario names until the state is visible in the read model.\n");
    out
}
