//! Agents that die, hang or fall behind, and a run that vanishes.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::agent::{Agent, addresses};
use crate::program::{eventually, open, signal};
use crate::service::{Ended, Folder, Service, ended};
use crate::{gets, numbered};

/// Runs with two agents; after some requests `then` happens.
fn disturbed(
    folder: &Folder,
    service: &Service,
    agents: [&Agent; 2],
    then: impl FnOnce(),
) -> Ended {
    let given = addresses(&agents);
    let run = ["run", "t.toml", "--target", &service.url, "--out", "out"];
    let child = folder.start(&[&run[..], &["--agents", &given]].concat());
    // Each has told two seconds by then.
    eventually("requests", || service.asked().len() > 250);
    then();
    ended(child.wait_with_output().unwrap())
}

fn reasons(report: &Value) -> String {
    report["verdict"]["reasons"].to_string()
}

#[test]
fn an_agent_that_is_killed_makes_the_run_invalid_by_its_name_and_the_others_go_on() {
    let service = numbered();
    let (kept, killed) = (Agent::start(), Agent::start());
    let folder = gets("5s");

    let ended = disturbed(&folder, &service, [&kept, &killed], || {
        killed.signal("KILL")
    });

    assert_eq!(ended.code, 3, "{}{}", ended.stdout, ended.stderr);
    let report = folder.report();
    assert_eq!(report["verdict"]["result"], "INVALID");
    let said = format!("the agent {} was lost: the connection", killed.address);
    assert!(reasons(&report).contains(&said), "{report:#}");
    let rows = report["agents"].as_array().unwrap();
    assert_eq!(rows[0]["journeys"]["started"], 250, "{rows:#?}");
    assert!(rows[0].get("lost").is_none());
    let theirs = rows[1]["journeys"]["started"].as_u64().unwrap();
    assert!((1..250).contains(&theirs), "{theirs}");
    assert_eq!(
        report["journeys"]["started"].as_u64().unwrap(),
        250 + theirs
    );
    // A request that was under way at the end of the last second that it told has not been told.
    let counted = report["steps"][0]["count"].as_u64().unwrap();
    assert!((251..=250 + theirs).contains(&counted), "{counted}");
    for file in ["report.html", "summary.md", "response_time.get.hlog"] {
        assert!(folder.0.path().join("out").join(file).is_file(), "{file}");
    }
    assert!(ended.stdout.contains(&killed.address), "{}", ended.stdout);
}

#[test]
fn an_agent_that_is_killed_in_the_warm_up_is_why_nothing_was_measured() {
    let (service, killed) = (numbered(), Agent::start());
    let text = open(100, "30s", "")
        .replace("expect = { exist = [\"/result/entity_id\"] }\n", "")
        .replace("[[journeys]]", "warm_up = \"20s\"\n[[journeys]]");
    let folder = Folder::new().with("t.toml", &text);
    let run = ["run", "t.toml", "--target", &service.url, "--out", "out"];
    let child = folder.start(&[&run[..], &["--agents", &killed.address]].concat());
    eventually("requests", || service.asked().len() > 50);
    killed.signal("KILL");
    let ended = ended(child.wait_with_output().unwrap());

    assert_eq!(ended.code, 3, "{}{}", ended.stdout, ended.stderr);
    let report = folder.report();
    let first = report["verdict"]["reasons"][0].as_str().unwrap();
    let said = format!("the agent {} was lost: the connection", killed.address);
    assert!(first.contains(&said), "{first}");
    assert!(!reasons(&report).contains("warm-up"), "{report:#}");
}

#[test]
fn an_agent_that_is_stopped_by_a_signal_says_so() {
    let service = numbered();
    let (kept, mut left) = (Agent::start(), Agent::start());
    let folder = gets("4s");
    let ended = disturbed(&folder, &service, [&kept, &left], || left.signal("TERM"));
    assert_eq!(ended.code, 3, "{}{}", ended.stdout, ended.stderr);
    let said = format!(
        "the agent {} was lost: it was stopped by a signal",
        left.address
    );
    assert!(
        reasons(&folder.report()).contains(&said),
        "{}",
        ended.stdout
    );
    assert_eq!(left.child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_agent_that_falls_behind_makes_the_run_invalid_by_its_name() {
    let service = numbered();
    let (kept, slow) = (Agent::start(), Agent::start());
    let limits =
        "[limits]\nslip_p99_max = \"700ms\"\nloop_stall_p99_max = \"60s\"\ncpu_pct_max = 1000.0\n";
    let folder = Folder::new().with(
        "t.toml",
        &open(100, "5s", limits).replace("expect = { exist = [\"/result/entity_id\"] }\n", ""),
    );
    let ended = disturbed(&folder, &service, [&kept, &slow], || {
        slow.signal("STOP");
        std::thread::sleep(Duration::from_secs(2));
        slow.signal("CONT");
    });
    assert_eq!(ended.code, 3, "{}{}", ended.stdout, ended.stderr);
    let report = folder.report();
    let reasons = reasons(&report);
    let said = format!(
        "the agent {}: the generator did not keep its schedule",
        slow.address
    );
    assert!(reasons.contains(&said), "{reasons}");
    assert!(!reasons.contains(&kept.address), "{reasons}");
    assert_eq!(report["journeys"]["started"], 500, "late, and not lost");
}

#[test]
fn an_agent_whose_run_vanishes_stops_and_serves_the_next_one() {
    let service = numbered();
    let agent = Agent::start();
    let run = ["run", "t.toml", "--target", &service.url, "--out", "out"];
    let arguments = [&run[..], &["--agents", &agent.address]].concat();
    let folder = gets("60s");
    let mut child = folder.start(&arguments);
    eventually("requests", || service.asked().len() > 50);

    child.kill().unwrap();
    child.wait().unwrap();
    agent.says("free again", 1);

    // Free means that its drivers have ended: nothing more comes.
    let then = service.asked().len();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(service.asked().len(), then);
    let next = gets("1s").loadgen(&arguments);
    assert_eq!(next.code, 0, "{}{}", next.stdout, next.stderr);
}

#[test]
fn an_agent_that_hears_nothing_more_of_its_run_stops_within_seconds() {
    let service = numbered();
    let agent = Agent::start();
    let run = ["run", "t.toml", "--target", &service.url, "--out", "out"];
    let folder = gets("60s");
    let mut child = folder.start(&[&run[..], &["--agents", &agent.address]].concat());
    eventually("requests", || service.asked().len() > 50);

    // As a machine that has lost its power: the connection stays open, and nothing comes.
    signal(&child, "STOP");
    let since = Instant::now();
    agent.says("free again", 1);

    assert!(
        since.elapsed() > Duration::from_secs(3),
        "{:?}",
        since.elapsed()
    );
    child.kill().unwrap();
    child.wait().unwrap();
}
