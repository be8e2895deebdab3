//! `compare-report`: the command `loadgen compare` as a program of its own, for CI. Its man page and completion scripts come from `loadgen`.

#[path = "loadgen/compare.rs"]
mod compare;

use std::process::ExitCode;

use compare::CompareArguments;
use loadgen::terminal;

fn main() -> ExitCode {
    let told = terminal::arguments::<CompareArguments>(compare::compare_report());
    let code = told.map(|told| compare::compare_runs(&told));
    terminal::end(code.unwrap_or_else(|code| code))
}
