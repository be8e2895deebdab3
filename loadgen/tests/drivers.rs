//! Several drivers together do what a single one would do.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use support::{Loadgen, SmallSystem, open};

/// An open workload that requests things 0 to 9, in order, repeatedly.
fn numbered(rate: u32, workload: &str) -> String {
    open(rate, "1s", "")
        .replace("[[journeys]]", &format!("{workload}\n[[feeders]]\nname = \"n\"\nitems = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\npick = \"sequential\"\n[[journeys]]"))
        .replace("\"/thing\"", "\"/thing/{{n}}\"")
}

#[test]
fn each_arrival_is_started_by_one_of_them_and_a_sequence_is_shared() {
    let system = SmallSystem::start();
    let ended = Loadgen::scenario(&numbered(200, ""))
        .target(&system)
        .arguments(&["--drivers", "3"])
        .run();
    let report = ended.report();
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_eq!(report["journeys"]["started"], 200);
    assert_eq!(report["steps"][0]["count"], 200);
    let drivers = report["generator"]["drivers_cpu_pct"].as_array().unwrap();
    assert_eq!(drivers.len(), 3);
    let mut paths = system.behaviour.paths.lock().unwrap().clone();
    paths.sort_unstable();
    let expected: Vec<String> = (0..10)
        .flat_map(|n| vec![format!("/thing/{n}"); 20])
        .collect();
    assert_eq!(paths, expected, "each of ten things twenty times");
}

#[test]
fn the_users_of_a_closed_run_are_shared_out() {
    let system = SmallSystem::start();
    system
        .behaviour
        .delay_ms
        .store(20, std::sync::atomic::Ordering::SeqCst);
    let text = open(1, "1s", "").replace(
        "kind = \"open\"\nrate = 1.0",
        "kind = \"closed\"\nusers = 5",
    );
    let ended = Loadgen::scenario(&text)
        .target(&system)
        .arguments(&["--drivers", "2"])
        .run();
    let completed = ended.report()["journeys"]["completed"].as_u64().unwrap();
    assert!(
        (125..=250).contains(&completed),
        "5 users × 1 s / 20 ms = 250 at most: {completed}"
    );
}

#[test]
fn journeys_that_leave_values_for_each_other_are_refused_to_several_drivers() {
    let system = SmallSystem::start();
    let text =
        open(10, "1s", "") + "[[journeys.steps]]\nremember = { key = \"a\", value = \"b\" }\n";
    let ended = Loadgen::scenario(&text)
        .target(&system)
        .arguments(&["--drivers", "2"])
        .run();
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("one driver"), "{}", ended.stderr);
    assert_eq!(system.requests(), 0);
}

#[test]
fn poisson_arrivals_come_at_random_but_the_same_with_the_same_seed() {
    let run = |seed: &str| {
        let system = SmallSystem::start();
        let ended = Loadgen::scenario(
            &numbered(400, "").replace("rate =", "arrivals = \"poisson\"\nrate ="),
        )
        .target(&system)
        .arguments(&["--seed", seed])
        .run();
        ended.report()["journeys"]["started"].as_u64().unwrap()
    };
    let (first, again, other) = (run("7"), run("7"), run("8"));
    assert_eq!(first, again);
    // Five standard deviations of 20.
    assert!(
        (300..=500).contains(&first) && (300..=500).contains(&other),
        "{first} and {other}"
    );
    assert_ne!(first, 400, "not evenly spaced");
}
