//! A search for the highest rate whose load agents drive.

use std::process::Child;
use std::time::Duration;

use serde_json::{Value, json};

use crate::agent::{Agent, addresses};
use crate::program::{eventually, signal};
use crate::service::{Folder, Service, ended};
use crate::{gets, numbered};

#[test]
fn each_probe_of_a_search_is_shared_by_the_agents() {
    let service = numbered();
    let (one, other) = (Agent::start(), Agent::start());
    let given = addresses(&[&one, &other]);
    let folder = gets("1m");
    let search = [
        "capacity",
        "t.toml",
        "--target",
        &service.url,
        "--out",
        "out",
    ];
    let rates = ["--start", "40", "--highest", "40", "--agents", &given];
    let probes = ["--probe-duration", "5s", "--warm-up", "0s"];

    let ended = folder.loadgen(&[&search[..], &rates, &probes].concat());

    let out = folder.0.path().join("out");
    let read = |path: &str| -> Value {
        let text = std::fs::read_to_string(out.join(path)).unwrap_or_else(|e| {
            panic!("{path}: {e}; {}{}", ended.stdout, ended.stderr);
        });
        serde_json::from_str(&text).unwrap()
    };
    let found = read("capacity.json");
    assert_eq!(
        found["result"], "AT_LEAST",
        "{}{}",
        ended.stdout, ended.stderr
    );
    let probes = found["probes"].as_array().unwrap();
    assert_eq!(probes.len(), 2, "{}", ended.stderr);
    for probe in probes {
        let report = read(&format!(
            "{}/report.json",
            probe["folder"].as_str().unwrap()
        ));
        let started = report["agents"].as_array().unwrap().iter();
        let started: Vec<&Value> = started.map(|a| &a["journeys"]["started"]).collect();
        assert_eq!(started, [100, 100], "{report:#}");
    }
    assert_eq!(service.asked().len(), 400);
}

/// Searches up to 40 a second, with probes of five seconds.
fn search(folder: &Folder, service: &Service, agents: &[&Agent]) -> Child {
    let given = addresses(agents);
    let target = ["--target", &service.url, "--agents", &given];
    let search = ["capacity", "t.toml", "--out", "out", "--start", "20"];
    let rates = ["--highest", "40", "--probe-duration", "5s"];
    folder.start(&[&search[..], &target, &rates, &["--warm-up", "0s"]].concat())
}

fn found(folder: &Folder) -> Value {
    let text = std::fs::read_to_string(folder.0.path().join("out/capacity.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn what_a_service_sustains_is_found_by_two_agents() {
    // One request at a time: the service sustains at most 50 a second.
    let service = Service::start(|_| {
        std::thread::sleep(Duration::from_millis(20));
        (200, "{}".to_owned())
    });
    let [one, other] = Agent::pair();
    let given = addresses(&[&one, &other]);
    let folder = gets("1m");
    let target = ["--target", &service.url, "--agents", &given];
    let search = ["capacity", "t.toml", "--out", "out", "--start", "40"];
    let probes = ["--probe-duration", "5s", "--warm-up", "0s"];

    let precise = ["--precision", "50%"];
    let ended = folder.loadgen(&[&search[..], &target, &probes, &precise].concat());

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let found = found(&folder);
    assert_eq!(found["result"], "FOUND");
    let rate = found["rate_per_s"].as_f64().unwrap();
    assert!((20.0..51.0).contains(&rate), "{rate}\n{}", ended.stderr);
    let probes = found["probes"].as_array().unwrap();
    for probe in probes {
        let cpu = probe["cpu_pct"].to_string();
        for agent in [&one, &other] {
            assert!(cpu.contains(&format!("agent {}", agent.address)), "{cpu}");
            // They are the search's from its first probe to its last.
            assert_eq!(agent.said("in use by"), 1);
        }
    }
}

#[test]
fn an_agent_that_is_killed_makes_the_search_invalid_by_its_name_and_what_was_found_is_told() {
    let service = numbered();
    let [kept, killed] = Agent::pair();
    let folder = gets("1m");
    let child = search(&folder, &service, &[&kept, &killed]);
    // The first probe has 100 requests.
    eventually("the second probe", || service.asked().len() > 150);

    killed.signal("KILL");
    let ended = ended(child.wait_with_output().unwrap());

    assert_eq!(ended.code, 3, "{}{}", ended.stdout, ended.stderr);
    let found = found(&folder);
    assert_eq!(
        (&found["result"], &found["rate_per_s"]),
        (&json!("INVALID"), &json!(20.0))
    );
    let judged = found["probes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["judged"]);
    assert_eq!(judged.collect::<Vec<_>>(), ["HOLDS", "INVALID"]);
    let lost = format!("the agent {} was lost: the connection", killed.address);
    for said in [
        found["lost"].as_str().unwrap(),
        &ended.stdout,
        &ended.stderr,
    ] {
        assert!(said.contains(&lost), "{said}");
    }
    assert!(
        ended.stdout.contains("20/s is sustained"),
        "{}",
        ended.stdout
    );
    kept.says("free again", 1);
}

#[test]
fn ctrl_c_ends_a_search_in_order_and_frees_the_agents() {
    let service = numbered();
    let [one, other] = Agent::pair();
    let folder = gets("1m");
    let child = search(&folder, &service, &[&one, &other]);
    eventually("the second probe", || service.asked().len() > 150);

    signal(&child, "INT");
    let ended = ended(child.wait_with_output().unwrap());

    assert_eq!(ended.code, 3, "{}{}", ended.stdout, ended.stderr);
    let found = found(&folder);
    assert_eq!(
        (&found["result"], &found["rate_per_s"]),
        (&json!("STOPPED"), &json!(20.0))
    );
    for agent in [&one, &other] {
        agent.says("free again", 1);
    }
}
