//! Tests merging the runs of several generators: nothing is lost, nothing is averaged, and different runs are refused.

use std::path::Path;

use hdrhistogram::Histogram;
use serde_json::Value;

use crate::report;
use crate::support::{Ended, Loadgen, SmallSystem, open};

/// A threshold that needs more journeys than either run completes alone, and limits that a busy machine does not exceed.
const SCENARIO_MORE: &str = r#"thresholds = ["journeys.completed >= 150"]
[limits]
slip_p99_max = "1m"
cpu_pct_max = 1000.0
"#;

fn read(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("report.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// All samples of a run's log, read with the library that other tools use.
fn histogram(folder: &Path, log: &str) -> Histogram<u64> {
    let log =
        loadgen_engine::record::interval_reader::RecordedLog::read(&folder.join(log)).unwrap();
    let mut all = Histogram::<u64>::new(3).unwrap();
    for index in 0..log.intervals.len() {
        all.add(log.histogram(index).unwrap()).unwrap();
    }
    all
}

/// Runs two generators at the same time.
fn two() -> [Ended; 2] {
    let system = SmallSystem::start();
    let runs = [1, 2].map(|seed: u64| {
        let run = Loadgen::scenario(&open(25, "4s", SCENARIO_MORE));
        run.target(&system)
            .arguments(&["--seed", &seed.to_string()])
    });
    let children = [runs[0].start(), runs[1].start()];
    let mut outputs = children.map(|c| c.wait_with_output().unwrap()).into_iter();
    runs.map(|run| run.ended(outputs.next().unwrap()))
}

#[test]
fn two_generators_merge_without_losing_a_sample() {
    let [one, two] = two();
    let out = tempfile::tempdir().unwrap();
    let merged = out.path().join("merged");

    let (code, said) = report(&[&one.out, &two.out], Some(&merged));

    let whole = read(&merged);
    // Each run alone has too few journeys; together they have enough.
    assert_eq!((one.code, two.code), (1, 1), "{}", one.stderr);
    assert_eq!(whole["verdict"]["result"], "PASS", "{whole}");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("merged: out"), "{said}");
    assert_eq!(whole["merged_from"].as_array().unwrap().len(), 2);
    for count in [
        "/journeys/started",
        "/journeys/completed",
        "/all_steps/count",
        "/steps/0/count",
    ] {
        let parts = [&one, &two].map(|p| p.report().pointer(count).unwrap().as_u64().unwrap());
        assert_eq!(
            whole.pointer(count).unwrap().as_u64(),
            Some(parts[0] + parts[1]),
            "{count}"
        );
    }
    for log in [
        "response_time.get_thing.hlog",
        "service_time.get_thing.hlog",
        "slip.get_thing.hlog",
        "schedule_slip.hlog",
    ] {
        let mut sum = histogram(&one.out, log);
        sum.add(histogram(&two.out, log)).unwrap();
        assert_eq!(histogram(&merged, log), sum, "{log}");
    }
    // Both ran in the same seconds, which are added up, not appended.
    let log = loadgen_engine::record::interval_reader::RecordedLog::read(
        &merged.join("schedule_slip.hlog"),
    );
    let starts: Vec<f64> = log.unwrap().intervals.iter().map(|i| i.start_s).collect();
    assert!(
        starts.windows(2).all(|pair| pair[0] < pair[1]),
        "{starts:?}"
    );
    let p99 = histogram(&merged, "response_time.get_thing.hlog").value_at_quantile(0.99);
    assert_eq!(whole["all_steps"]["response_time_us"]["p99"], p99 as f64);
    let points = whole["series"]["points"].as_array().unwrap();
    let started: u64 = points.iter().map(|p| p["started"].as_u64().unwrap()).sum();
    assert_eq!(started, 200);
    let page = std::fs::read_to_string(merged.join("report.html")).unwrap();
    assert!(page.contains("Merged from") && page.contains("2 generators"));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let system = SmallSystem::start();
    let run = |text: String| Loadgen::scenario(&text).target(&system).run();
    let one = run(open(20, "1s", ""));
    let other = run(open(20, "1s", "").replace("name = \"test\"", "name = \"another\""));
    let asking = run(open(20, "1s", "").replace("\"/thing\"", "\"/thing\", query = { n = \"2\" }"));
    let later = run(open(20, "1s", ""));
    let out = tempfile::tempdir().unwrap();
    let copied = out.path().join("copied");
    std::fs::create_dir(&copied).unwrap();
    for entry in std::fs::read_dir(&one.out).unwrap().flatten() {
        std::fs::copy(entry.path(), copied.join(entry.file_name())).unwrap();
    }
    for (folders, to, message) in [
        (
            [&one.out, &copied],
            Some(out.path()),
            "have the figures of one run, which would be counted twice",
        ),
        (
            [&one.out, &later.out],
            Some(out.path()),
            "were measured, both ran for 0.0 s only",
        ),
        (
            [&one.out, &other.out],
            Some(out.path()),
            "scenarios are different (`test` and `another`)",
        ),
        (
            [&one.out, &asking.out],
            Some(out.path()),
            "scenarios ask for different things (fingerprint `",
        ),
        ([&one.out, &one.out], Some(out.path()), "given twice"),
        (
            [&one.out, &other.out],
            Some(one.out.as_path()),
            "already holds a report",
        ),
        ([&one.out, &other.out], None, "--out"),
    ] {
        let (code, said) = report(&folders.map(|f| f.as_path()), to);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(message), "{message:?} in {said}");
    }
}
