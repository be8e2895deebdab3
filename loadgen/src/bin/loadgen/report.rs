//! `loadgen report`: writes a run's page again, or merges the runs of several generators.

use std::io::IsTerminal;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use loadgen_report::folder::RunFolder;

use crate::ending::bad_input;

pub fn report_again(folders: &[PathBuf], out: Option<&Path>) -> ExitCode {
    let opened = folders.iter().map(|path| RunFolder::open(path));
    let opened = match opened.collect::<Result<Vec<_>, _>>() {
        Ok(opened) => opened,
        Err(e) => return bad_input(e),
    };
    match (opened.as_slice(), out) {
        ([one], None) => match loadgen_render::run::write_all(one) {
            Ok(()) => {
                println!("report: {}", one.path.join("report.html").display());
                ExitCode::SUCCESS
            }
            Err(e) => bad_input(e),
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
    let merged = match loadgen_report::merge(parts, out) {
        Ok(merged) => merged,
        Err(e) => return bad_input(e),
    };
    if let Err(e) = loadgen_render::run::write_all(&merged) {
        return bad_input(e);
    }
    for part in &merged.report.merged_from {
        println!(
            "merged: {}, started {}, {} requests, {}",
            part.folder,
            loadgen_render::date::shown(part.started_at),
            loadgen_report::units::count(part.requests),
            part.verdict.as_str()
        );
    }
    let document = loadgen_render::run::document(&merged.report);
    print!(
        "report: {}\n\n{}",
        out.join("report.html").display(),
        loadgen_render::text(&document, std::io::stdout().is_terminal())
    );
    ExitCode::from(merged.report.verdict.result().exit_code())
}
