//! `loadgen report`: writes a run's page again, or merges the runs of several generators.

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use loadgen::out_folder::OutFolder;
use loadgen::terminal::{self, UNWRITTEN, say};
use loadgen_report::MergeError;
use loadgen_report::folder::RunFolder;

use crate::ending::{bad_input, failed};

pub fn report_again(folders: &[PathBuf], out: Option<&Path>) -> ExitCode {
    let opened = folders.iter().map(|path| RunFolder::open(path));
    let opened = match opened.collect::<Result<Vec<_>, _>>() {
        Ok(opened) => opened,
        Err(e) => return bad_input(e),
    };
    match (opened.as_slice(), out) {
        ([one], None) => match loadgen_render::run::write_all(one) {
            Ok(()) => {
                say(&format!(
                    "report: {}",
                    one.path.join("report.html").display()
                ));
                ExitCode::SUCCESS
            }
            Err(e) => failed(e, UNWRITTEN),
        },
        ([_], Some(_)) => bad_input(
            "--out needs several folders; the report of one is written into its own folder",
        ),
        (_, None) => {
            bad_input("several folders are merged into a new folder; name it with --out DIR")
        }
        (several, Some(out)) => merge(several, out),
    }
}

fn merge(parts: &[RunFolder], out: &Path) -> ExitCode {
    let folder = match OutFolder::claim(out) {
        Ok(folder) => folder,
        Err(e) => return failed(&e, e.exit_code()),
    };
    let merged = match loadgen_report::merge(parts, folder.path()) {
        Ok(merged) => merged,
        Err(e @ (MergeError::Output { .. } | MergeError::LogWrite(_))) => {
            return failed(e, UNWRITTEN);
        }
        Err(e) => return bad_input(e),
    };
    if let Err(e) = loadgen_render::run::write_all(&merged) {
        return failed(e, UNWRITTEN);
    }
    for part in &merged.report.merged_from {
        say(&format!(
            "merged: {}, started {}, {} requests, {}",
            part.folder,
            loadgen_render::date::shown(part.started_at),
            loadgen_report::units::count(part.requests),
            part.verdict.as_str()
        ));
    }
    let document = loadgen_render::run::document(&merged.report);
    say(&format!("report: {}\n", out.join("report.html").display()));
    let colour = terminal::has_colour(&std::io::stdout());
    terminal::print(&loadgen_render::text(&document, colour));
    ExitCode::from(merged.report.verdict.result().exit_code())
}
