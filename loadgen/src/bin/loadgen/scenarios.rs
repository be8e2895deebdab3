//! `loadgen list`, `check`, `new` and `schema`: the commands for finding and writing scenarios.

use std::path::PathBuf;
use std::process::ExitCode;

use loadgen::terminal::{self, say};
use loadgen_scenario::{catalog, schema, starter};

use crate::ending::{BAD_INPUT, bad_input};

pub fn list(folder: Option<PathBuf>) -> ExitCode {
    let names = catalog::names(folder.as_deref());
    let width = names.iter().map(String::len).max().unwrap_or(0);
    for name in names {
        match catalog::find(&name, folder.as_deref()) {
            Ok(scenario) => {
                let (story, workload) = (&scenario.description, scenario.summary().workload);
                say(&format!(
                    "{name:<width$}  {story}\n{:<width$}  {workload}",
                    ""
                ));
            }
            Err(e) => say(&format!("{name:<width$}  (can't be read: {e})")),
        }
    }
    ExitCode::SUCCESS
}

/// Checks every file, also after one that is wrong.
pub fn check(files: &[String], folder: Option<PathBuf>) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for file in files {
        match catalog::find(file, folder.as_deref()) {
            Ok(scenario) => say(scenario.summary().to_string().trim_end()),
            Err(e) => {
                terminal::diagnostic(e);
                code = ExitCode::from(BAD_INPUT);
            }
        }
    }
    code
}

/// Writes a commented scenario, never over a file that exists.
pub fn new(name: Option<&str>, from: Option<&str>) -> ExitCode {
    match starter::write(name, from) {
        Ok(path) => {
            let path = path.display();
            say(&format!(
                "wrote {path}. To see what it would do: loadgen check {path}. To run it: loadgen run {path} --target URL"
            ));
            ExitCode::SUCCESS
        }
        Err(e) => bad_input(e),
    }
}

/// Prints the schema of scenarios.
pub fn print_schema() -> ExitCode {
    say(&format!("{:#}", schema::schema()));
    ExitCode::SUCCESS
}
