//! The files that a run writes for a build server: the verdict as JUnit XML, and the figures of each second as CSV.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use loadgen::out_folder::is_own;
use loadgen::run::RunObservers;
use loadgen::seconds_csv::SecondsCsv;
use loadgen::terminal::UNWRITTEN;
use loadgen_render::ReportError;
use loadgen_scenario::Scenario;

use crate::ending::{Failure, failed};

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
    /// Checks that no file is written that the run reads or writes itself. The report goes to one of these folders.
    pub fn check(&self, read: &[PathBuf], folders: &[&Path]) -> Result<(), Failure> {
        let given = [("--csv", &self.csv), ("--junit", &self.junit)];
        let mut written: Vec<PathBuf> = Vec::new();
        for (option, path) in given {
            let Some((path, place)) = path.as_deref().and_then(|p| Some((p, place(p)?))) else {
                continue;
            };
            check(option, path, read, folders)?;
            if written.iter().any(|other| is_same(other, &place)) {
                return Err(Failure::bad_input(format!(
                    "--csv and --junit write to one file, {}; give each its own",
                    path.display()
                )));
            }
            written.push(place);
        }
        Ok(())
    }

    /// Creates the files that were asked for.
    pub fn open(
        &self,
        scenario: &Scenario,
        observers: &mut RunObservers,
    ) -> Result<JunitFile, Failure> {
        if let Some(path) = &self.csv {
            let several = scenario.workloads.iter().any(|w| !w.name.is_empty());
            let csv = SecondsCsv::create(path, several).map_err(Failure::bad_input)?;
            observers.listeners.push(Box::new(csv));
        }
        let junit = self.junit.as_deref().map(JunitFile::create).transpose();
        Ok(junit.map_err(Failure::bad_input)?.unwrap_or_default())
    }

    /// Replaces what is in the files after a run that was refused, so that nothing older is taken for its result. Files that the run reads
    /// or writes itself are left alone, and so are those that can't be written.
    pub fn refuse(&self, read: &[PathBuf], folders: &[&Path], scenario: &str, problem: &str) {
        if let Some(path) = &self.csv
            && check("--csv", path, read, folders).is_ok()
        {
            SecondsCsv::create(path, false).ok();
        }
        if let Some(path) = &self.junit
            && check("--junit", path, read, folders).is_ok()
            && let Ok(file) = JunitFile::create(path)
        {
            let text = || loadgen_render::junit_of_no_run(scenario, problem);
            file.write(text).ok();
        }
    }
}

/// Checks that a file to write is none that the run reads, and none of the report's own.
fn check(option: &str, path: &Path, read: &[PathBuf], folders: &[&Path]) -> Result<(), Failure> {
    let Some(place) = place(path) else {
        return Ok(());
    };
    let shown = path.display();
    let mut read = read.iter().filter_map(|path| self::place(path));
    if read.any(|read| is_same(&read, &place)) {
        return Err(Failure::bad_input(format!(
            "{option} {shown}: this run reads the file; give another one to write to"
        )));
    }
    let folder = place.parent();
    let mut folders = folders.iter().filter_map(|path| path.canonicalize().ok());
    let own = place.file_name().map(Path::new).is_some_and(is_own);
    if own && folders.any(|report| Some(report.as_path()) == folder) {
        return Err(Failure::bad_input(format!(
            "{option} {shown}: the report's own files have such names; give another folder, or a name that ends in .xml or .csv"
        )));
    }
    Ok(())
}

/// Whether two places hold one file, which may have several names.
fn is_same(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| path.metadata().ok().map(|found| (found.dev(), found.ino()));
    one == other || file(one).is_some_and(|one| Some(one) == file(other))
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
#[derive(Default)]
pub struct JunitFile(Option<(PathBuf, File)>);

impl JunitFile {
    fn create(path: &Path) -> Result<Self, String> {
        let file = File::create(path).map_err(|e| {
            format!(
                "--junit {}: {e}; give a file in a folder that exists and can be written to",
                path.display()
            )
        })?;
        Ok(Self(Some((path.to_owned(), file))))
    }

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
