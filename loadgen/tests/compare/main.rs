//! Tests the comparison of two builds through the real program: verdicts, errors and exit codes.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod criterion;
mod noise;
mod page;
mod refusals;
mod runs;
#[path = "../support/mod.rs"]
mod support;
mod verdicts;

use std::path::Path;
use std::process::Command;

/// The output of `compare-report`, and its exit code.
struct Said {
    code: i32,
    out: String,
    problem: String,
}

fn compare_report(arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_compare-report"))
        .args(arguments)
        .output()
        .unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        problem: String::from_utf8(output.stderr).unwrap(),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_version_names_the_program() {
    let said = compare_report(&["--version"]);
    assert_eq!(said.code, 0, "{}", said.problem);
    assert!(said.out.starts_with("compare-report "), "{}", said.out);
}
