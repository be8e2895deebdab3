//! Scenarios for services that are not OrderShop: what people of other load generators expect to write, the gallery, and the page for
//! those who come from other tools.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "../support/journeys.rs"]
mod journeys;
#[path = "../support/service.rs"]
mod service;

mod answers;
mod bodies;
mod coming_from;
mod environment;
mod gallery;
mod parallel;
mod targets;
mod users;
mod workloads;

use journeys::journeys;
use service::{Ended, Folder, Service};

/// Runs one journey of these steps against the service.
fn once(folder: &Folder, service: &Service, more: &str, steps: &str) -> Ended {
    std::fs::write(folder.0.path().join("test.toml"), journeys(1, more, steps)).unwrap();
    folder.run("test.toml", service, &[])
}

/// The kinds and the examples of a run's errors.
fn errors(folder: &Folder) -> Vec<(String, String)> {
    let report = folder.report();
    let errors = report["errors"].as_array().unwrap().iter();
    errors
        .map(|e| {
            (
                e["kind"].as_str().unwrap().to_owned(),
                e["examples"].to_string(),
            )
        })
        .collect()
}

/// Asserts that `check` refuses a scenario with these steps, with these words; `more` begins in line 4.
fn refused(folder: &Folder, more: &str, steps: &str, says: &[&str]) {
    std::fs::write(folder.0.path().join("test.toml"), journeys(1, more, steps)).unwrap();
    let ended = folder.loadgen(&["check", "test.toml"]);
    assert_eq!(ended.code, 2, "{more}{steps}\n{}", ended.stdout);
    let flat = ended.flat();
    for word in ["test.toml:"].iter().chain(says) {
        assert!(flat.contains(word), "`{word}`: {flat}");
    }
}
