//! The files that a run writes for a build server: the verdict as JUnit XML, and the figures of each second as CSV.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use loadgen::run::RunObservers;
use loadgen::seconds_csv::SecondsCsv;
use loadgen::terminal::UNWRITTEN;
use loadgen_render::ReportError;
use loadgen_scenario::Scenario;

use crate::ending::{bad_input, failed};

#[derive(Args)]
pub struct PipelineArguments {
    /// Write the verdict to this file as JUnit XML, a test for each threshold; what was in the file is replaced
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write each second's figures to this file as CSV, a row for each step, and for each of several workloads; what was in the file is replaced
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

impl PipelineArguments {
    /// Checks that no file is written that the run reads, or writes already. Prints which one it is before it returns an exit code.
    pub fn check(&self, scenario: &Scenario, trace: Option<&Path>) -> Result<(), ExitCode> {
        let read = scenario.read_from.paths().chain(trace);
        let read: Vec<PathBuf> = read.filter_map(place).collect();
        let given = [("--csv", &self.csv), ("--junit", &self.junit)];
        let mut written = Vec::new();
        for (option, path) in given {
            let Some((path, place)) = path.as_deref().and_then(|p| Some((p, place(p)?))) else {
                continue;
            };
            if read.contains(&place) {
                return Err(bad_input(format!(
                    "{option} {}: this run reads the file; give another one to write to",
                    path.display()
                )));
            }
            if written.contains(&place) {
                return Err(bad_input(format!(
                    "--csv and --junit write to one file, {}; give each its own",
                    path.display()
                )));
            }
            written.push(place);
        }
        Ok(())
    }

    /// Creates the files that were asked for. Prints which can't be written before it returns an exit code.
    pub fn open(
        &self,
        scenario: &Scenario,
        observers: &mut RunObservers,
    ) -> Result<JunitFile, ExitCode> {
        if let Some(path) = &self.csv {
            let several = scenario.workloads.iter().any(|w| !w.name.is_empty());
            let csv = SecondsCsv::create(path, several).map_err(bad_input)?;
            observers.listeners.push(Box::new(csv));
        }
        let Some(path) = self.junit.clone() else {
            return Ok(JunitFile(None));
        };
        match File::create(&path) {
            Ok(file) => Ok(JunitFile(Some((path, file)))),
            Err(e) => Err(bad_input(format!(
                "--junit {}: {e}; give a file in a folder that exists and can be written to",
                path.display()
            ))),
        }
    }
}

/// What is the same for all paths to a file, whether it exists or not; `None` for devices and pipes, which keep nothing.
fn place(path: &Path) -> Option<PathBuf> {
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return None;
    }
    path.canonicalize().ok().or_else(|| {
        let folder = path.parent()?;
        let folder = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        Some(folder.canonicalize().ok()?.join(path.file_name()?))
    })
}

/// The JUnit file, if one was asked for. It is emptied before the run, so that no older verdict is taken for this run's.
pub struct JunitFile(Option<(PathBuf, File)>);

impl JunitFile {
    /// Writes what `text` makes. Prints why it can't be written before it returns an exit code.
    pub fn write(self, text: impl FnOnce() -> Result<String, ReportError>) -> Result<(), ExitCode> {
        let Some((path, mut file)) = self.0 else {
            return Ok(());
        };
        let written = text().map_err(|e| e.to_string());
        let written = written.and_then(|text| {
            let written = file.write_all(text.as_bytes());
            written.map_err(|e| e.to_string())
        });
        written.map_err(|problem| {
            let path = path.display();
            failed(
                format!("--junit {path}: can't be written: {problem}"),
                UNWRITTEN,
            )
        })
    }
}
