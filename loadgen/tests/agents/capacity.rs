//! A search for the highest rate whose load agents drive.

use serde_json::Value;

use crate::agent::{Agent, addresses};
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
