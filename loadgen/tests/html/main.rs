//! Tests `report.html`: written by a run, written again from the folder, merged from several runs, and opened in a real browser.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod folder;
mod merge;
mod page;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

use support::{Ended, Loadgen, SmallSystem};

/// Markup in the place of a name.
const EVIL: &str =
    "<img src=x onerror='document.title=1'><b id='evil'>Mallory</b> & </title></script>";

/// A scenario with journeys that succeed and fail, stages, a warm-up, and markup in every text.
fn scenario() -> String {
    format!(
        r#"name = "shop {EVIL}"
description = "A story {EVIL}"
thresholds = ["error_rate < 1%", "response_time.p99 < 10s"]

[parameters]
greeting = "{EVIL}"

# What is looked at is the page: a busy machine must not spoil the verdict.
[limits]
slip_p99_max = "1m"
cpu_pct_max = 1000.0

[workload]
kind = "open"
warm_up = "1s"
stages = [{{ duration = "2s", rate = 40.0 }}, {{ duration = "2s", from = 40.0, to = 80.0 }}]

[[journeys]]
name = "create"
weight = 3.0
[[journeys.steps]]
name = "post {EVIL}"
request = {{ method = "POST", path = "/thing", body = {{ name = "x" }} }}
extract = {{ id = "/result/0" }}
[[journeys.steps]]
await = {{ topic = "thing", name = "READY {EVIL}", id = "{{{{id}}}}", where = {{ "/status" = "READY" }}, since = "post {EVIL}" }}

[[journeys]]
name = "fail"
[[journeys.steps]]
name = "get"
request = {{ method = "GET", path = "/thing/x" }}
expect = {{ equal = {{ "/result/entity_id" = "{EVIL}" }} }}
"#
    )
}

/// A short run against the small system.
fn run(scenario: &str) -> Ended {
    let system = SmallSystem::start();
    system.behaviour.tells_lag.store(true, Ordering::SeqCst);
    let ended = Loadgen::scenario(scenario).target(&system).run();
    assert!(ended.out.join("report.html").is_file(), "{}", ended.stderr);
    ended
}

/// Runs `loadgen report …`; returns the exit code and all output.
fn report(folders: &[&Path], out: Option<&Path>) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.arg("report").args(folders);
    if let Some(out) = out {
        command.arg("--out").arg(out);
    }
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8(said).unwrap(),
    )
}
