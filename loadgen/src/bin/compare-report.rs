//! `compare-report`: the command `loadgen compare` as a program of its own, for CI.

#[path = "loadgen/compare.rs"]
mod compare;

use std::process::ExitCode;

use clap::Parser;
use loadgen::build_version::VERSION;

/// Compare the runs of two builds: better, worse, the same, or can't tell.
#[derive(Parser)]
#[command(name = "compare-report", version = VERSION)]
struct CompareReport {
    #[command(flatten)]
    arguments: compare::CompareArguments,
}

fn main() -> ExitCode {
    compare::compare_runs(&CompareReport::parse().arguments)
}
