//! `compare-report`: the command `loadgen compare` as a program of its own, for CI.

#[path = "loadgen/compare.rs"]
mod compare;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use loadgen::build_version::VERSION;
use loadgen::terminal;

/// Compare the runs of two builds: better, worse, the same, or can't tell.
#[derive(Parser)]
#[command(name = "compare-report", version = VERSION)]
struct CompareReport {
    #[command(flatten)]
    arguments: compare::CompareArguments,
}

fn main() -> ExitCode {
    let told = terminal::arguments::<CompareReport>(CompareReport::command());
    let code = told.map(|told| compare::compare_runs(&told.arguments));
    terminal::end(code.unwrap_or_else(|code| code))
}
