//! `compare-report`: was it really slower? The same as `loadgen compare`, as a program of its own for CI.

#[path = "loadgen/compare.rs"]
mod compare;

use std::process::ExitCode;

use clap::Parser;

/// Holds the runs of two builds against each other: better, worse, the same, or can't tell.
#[derive(Parser)]
#[command(version)]
struct CommandLine {
    #[command(flatten)]
    arguments: compare::CompareArguments,
}

fn main() -> ExitCode {
    compare::compare_runs(&CommandLine::parse().arguments)
}
