//! Two systems measured in turns, whose load agents drive.

use std::process::Child;

use serde_json::Value;

use crate::agent::{Agent, addresses};
use crate::gets;
use crate::program::{Played, eventually, signal};
use crate::service::{Ended, Folder, ended};

/// Measures the system against itself with these agents.
fn measure(folder: &Folder, system: &Played, agents: &[&Agent], more: &[&str]) -> Child {
    let given = addresses(agents);
    let sides = ["--a", &system.command, "--null", "--agents", &given];
    folder.start(&[&["ab", "t.toml", "--out", "out"], &sides[..], more].concat())
}

fn json(folder: &Folder, file: &str) -> Value {
    let text = std::fs::read_to_string(folder.0.path().join("out").join(file)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The end of an experiment, which has left no system behind.
fn end(child: Child, system: &Played) -> Ended {
    let ended = ended(child.wait_with_output().unwrap());
    assert_eq!(system.started(), system.stopped());
    ended
}

const ENDLESS: [&str; 6] = [
    "--duration",
    "500ms",
    "--blocks",
    "1000",
    "--precision",
    "0%",
];

/// Starts an experiment that ends by itself only after hours, and waits until a block is complete and the next one goes on.
fn under_way(folder: &Folder, system: &Played, agents: &[&Agent]) -> Child {
    let child = measure(folder, system, agents, &ENDLESS);
    eventually("a complete block", || {
        folder.0.path().join("out/ab.json").is_file()
    });
    let requests = system.system.requests();
    eventually("another run", || system.system.requests() > requests + 60);
    child
}

#[test]
fn two_agents_share_every_run_of_both_sides_and_the_runs_are_compared() {
    let system = Played::start();
    let [one, other] = Agent::pair();
    let folder = gets("1m");
    let limits = ["--duration", "500ms", "--blocks", "2"];

    let ended = end(measure(&folder, &system, &[&one, &other], &limits), &system);

    assert!([0, 1, 3].contains(&ended.code), "{}", ended.stderr);
    let comparison = json(&folder, "comparison.json");
    assert_eq!(comparison["units"], 2, "{}", ended.stderr);
    assert!(
        ended.stdout.contains("response_time.p50"),
        "{}",
        ended.stdout
    );
    let runs = json(&folder, "ab.json")["runs"].clone();
    let runs = runs.as_array().unwrap();
    assert_eq!(runs.len(), 8);
    for run in runs {
        let report = json(
            &folder,
            &format!("{}/report.json", run["folder"].as_str().unwrap()),
        );
        let started = report["agents"].as_array().unwrap().iter();
        let started: Vec<&Value> = started.map(|a| &a["journeys"]["started"]).collect();
        assert_eq!(started, [25, 25], "{report:#}");
    }
    // With a run of each side before the blocks.
    assert_eq!(system.started(), 10);
    for agent in [&one, &other] {
        agent.says("free again", 1);
        assert_eq!(agent.said("in use by"), 1, "the experiment's until its end");
    }
}

#[test]
fn an_agent_that_is_killed_makes_the_experiment_invalid_by_its_name() {
    let system = Played::start();
    let [kept, killed] = Agent::pair();
    let folder = gets("1m");
    let child = under_way(&folder, &system, &[&kept, &killed]);

    killed.signal("KILL");
    let ended = end(child, &system);

    assert_eq!(ended.code, 3, "{}{}", ended.stdout, ended.stderr);
    let record = json(&folder, "ab.json");
    assert_eq!(record["ended"], "agent_lost");
    let lost = format!("the agent {} was lost: the connection", killed.address);
    assert!(record["lost"].as_str().unwrap().contains(&lost), "{record}");
    let comparison = json(&folder, "comparison.json");
    assert_eq!(comparison["verdict"], "cant_tell");
    assert!(comparison["units"].as_u64() >= Some(1), "{comparison}");
    let reason = format!("INVALID: {lost}");
    let said = comparison["reasons"].to_string();
    assert!(said.contains(&reason), "{said}");
    assert!(ended.stdout.contains(&reason), "{}", ended.stdout);
    kept.says("free again", 1);
}

#[test]
fn an_agent_that_is_killed_between_two_runs_is_lost_and_without_a_block_nothing_is_compared() {
    let system = Played::after("sleep 1");
    let [kept, killed] = Agent::pair();
    let folder = gets("1m");
    let limits = ["--duration", "500ms"];
    let child = measure(&folder, &system, &[&kept, &killed], &limits);
    eventually("the second run's system", || system.started() == 2);

    killed.signal("KILL");
    let ended = end(child, &system);

    assert_eq!(ended.code, 3, "{}{}", ended.stdout, ended.stderr);
    let said = format!("INVALID: the agent {}: it was lost before", killed.address);
    assert!(ended.flat().contains(&said), "{}", ended.stderr);
    kept.says("free again", 1);
}

#[test]
fn ctrl_c_compares_the_complete_blocks_and_frees_the_agents() {
    let system = Played::start();
    let [one, other] = Agent::pair();
    let folder = gets("1m");
    let child = under_way(&folder, &system, &[&one, &other]);

    signal(&child, "INT");
    let ended = end(child, &system);

    assert!([0, 1, 3].contains(&ended.code), "{}", ended.stderr);
    assert_eq!(json(&folder, "ab.json")["ended"], "interrupted");
    assert!(json(&folder, "comparison.json")["units"].as_u64() >= Some(1));
    for agent in [&one, &other] {
        agent.says("free again", 1);
    }
}
