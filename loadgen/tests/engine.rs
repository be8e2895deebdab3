//! The engine against a small system: what is counted, and from when times are measured.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "support/program.rs"]
mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use support::page::legend;
use support::{Loadgen, SmallSystem, eventually, exists, open, signal};

#[test]
fn an_open_run_starts_every_arrival_and_writes_all_of_its_files() {
    let system = SmallSystem::start();
    let ended = Loadgen::scenario(&open(100, "1s", ""))
        .target(&system)
        .arguments(&["--format", "json", "--seed", "7"])
        .run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let report = ended.report();
    assert_eq!(report["journeys"]["started"], 100);
    assert_eq!(report["journeys"]["completed"], 100);
    assert_eq!(system.requests(), 100);
    for field in [
        "/schema",
        "/scenario",
        "/seed",
        "/environment/cores",
        "/environment/loadgen_profile",
        "/environment/redis_version",
        "/environment/durability",
        "/workload/kind",
        "/duration_s",
        "/steps/0/name",
        "/steps/0/count",
        "/steps/0/errors",
        "/steps/0/response_time_us/p999",
        "/steps/0/service_time_us/max",
        "/journeys/failed",
        "/journeys/dropped",
        "/journeys/unsent",
        "/journeys/per_s",
        "/end_to_end",
        "/event_lag/0/backlog_end",
        "/generator/cpu_pct",
        "/generator/schedule_slip_us/p99",
        "/verdict/result",
        "/verdict/reasons",
        "/errors",
        "/thresholds",
        "/skipped",
        "/warnings",
    ] {
        assert!(
            report.pointer(field).is_some_and(|v| !v.is_null()),
            "{field} is in the report"
        );
    }
    assert_eq!(report["schema"], "loadgen-report/1");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap()["verdict"]["result"],
        "PASS",
        "--format json prints the report alone"
    );
    let summary = std::fs::read_to_string(ended.out.join("summary.md")).unwrap();
    assert!(
        summary.contains("test: PASS") && summary.contains("get thing"),
        "{summary}"
    );
    let profile = env!("BUILD_PROFILE");
    let built_with = format!("built with: loadgen {profile}, system debug");
    assert!(summary.contains(&built_with), "{summary}");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("quick build"), "{warnings}");
}

#[test]
fn interval_logs_hold_every_sample_and_other_readers_can_read_them() {
    let system = SmallSystem::start();
    let ended = Loadgen::scenario(&open(100, "2s", ""))
        .target(&system)
        .run();
    let text = std::fs::read(ended.out.join("response_time.get_thing.hlog")).unwrap();
    let mut samples = 0;
    for entry in IntervalLogIterator::new(&text) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            let histogram: hdrhistogram::Histogram<u64> = Deserializer::new()
                .deserialize(&mut std::io::Cursor::new(decode_base64(
                    interval.encoded_histogram(),
                )))
                .unwrap();
            samples += histogram.len();
        }
    }
    assert_eq!(samples, 200);
    assert!(
        exists(&ended.out, "schedule_slip.hlog")
            && exists(&ended.out, "service_time.get_thing.hlog")
    );
}

fn decode_base64(text: &str) -> Vec<u8> {
    let value = |c: u8| {
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
            .iter()
            .position(|x| *x == c)
            .unwrap() as u32
    };
    let mut out = Vec::new();
    for chunk in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = chunk.iter().fold(0, |bits, c| bits << 6 | value(*c)) << (6 * (4 - chunk.len()));
        out.extend(&bits.to_be_bytes()[1..chunk.len()]);
    }
    out
}

#[test]
fn a_stalled_target_shows_in_the_response_time_of_everything_that_had_to_wait() {
    // By default, arrivals beyond 20 in flight would be dropped during the stall; this limit is higher.
    let system = SmallSystem::start();
    let run = Loadgen::scenario(&open(200, "2s", "")).target(&system);
    let child = run.start();
    eventually("the first requests", || system.requests() > 50);
    system.behaviour.stalled.store(true, Ordering::SeqCst);
    let stalled = std::time::Instant::now();
    eventually("the stall's end", || {
        stalled.elapsed() > Duration::from_millis(500)
    });
    system.behaviour.stalled.store(false, Ordering::SeqCst);
    let ended = run.ended(child.wait_with_output().unwrap());
    let report = ended.report();
    assert_eq!(report["journeys"]["completed"], 400, "{}", ended.stderr);
    // A quarter of the run was stalled: 100 requests waited between 0 and 500 ms, so p90 is about 300 ms.
    let p90 = report["steps"][0]["response_time_us"]["p90"]
        .as_f64()
        .unwrap();
    assert!((150_000.0..500_000.0).contains(&p90), "p90 {p90} µs");
}

#[test]
fn a_generator_that_was_stopped_counts_late_requests_from_their_intended_start() {
    let system = SmallSystem::start();
    let run =
        Loadgen::scenario(&open(200, "2s", "[limits]\nslip_p99_max = \"10s\"\n")).target(&system);
    let child = run.start();
    eventually("the first requests", || system.requests() > 50);
    signal(&child, "STOP");
    let stopped = std::time::Instant::now();
    eventually("the stop's end", || {
        stopped.elapsed() > Duration::from_millis(600)
    });
    signal(&child, "CONT");
    let report = run.ended(child.wait_with_output().unwrap()).report();
    assert_eq!(
        report["journeys"]["started"], 400,
        "missed arrivals are started late, not left out"
    );
    let step = &report["steps"][0];
    let (response, service) = (
        step["response_time_us"]["p90"].as_f64().unwrap(),
        step["service_time_us"]["p90"].as_f64().unwrap(),
    );
    assert!(response > 200_000.0, "response p90 {response} µs");
    assert!(
        service < response / 2.0,
        "service p90 {service} µs is what a naive generator would have said"
    );
    assert!(
        report["generator"]["schedule_slip_us"]["max"]
            .as_f64()
            .unwrap()
            > 400_000.0
    );
}

#[test]
fn a_generator_that_did_not_keep_its_schedule_is_invalid() {
    let system = SmallSystem::start();
    let run = Loadgen::scenario(&open(200, "1s", "thresholds = [\"journeys.failed == 1\"]"))
        .target(&system);
    let child = run.start();
    eventually("the first requests", || system.requests() > 20);
    signal(&child, "STOP");
    let stopped = std::time::Instant::now();
    eventually("the stop's end", || {
        stopped.elapsed() > Duration::from_millis(400)
    });
    signal(&child, "CONT");
    let ended = run.ended(child.wait_with_output().unwrap());
    assert_eq!(
        ended.code, 3,
        "a missed threshold does not count when the figures do not: {}",
        ended.stdout
    );
    assert!(
        ended.report()["verdict"]["reasons"][0]
            .as_str()
            .unwrap()
            .contains("schedule")
    );
}

#[test]
fn arrivals_over_the_in_flight_limit_are_dropped_and_counted_and_make_the_run_invalid() {
    let system = SmallSystem::start();
    system.behaviour.delay_ms.store(200, Ordering::SeqCst);
    let ended = Loadgen::scenario(&open(100, "1s", "[limits]\nin_flight_max = 5\n"))
        .target(&system)
        .run();
    let report = ended.report();
    let count = |name: &str| report["journeys"][name].as_u64().unwrap();
    assert_eq!(
        count("started") + count("dropped") + count("unsent"),
        100,
        "every arrival is accounted for"
    );
    assert!(count("dropped") > 50 && count("started") == count("completed"));
    assert_eq!(ended.code, 3);
}

#[test]
fn a_closed_run_keeps_its_users_busy_one_request_each() {
    let system = SmallSystem::start();
    system.behaviour.delay_ms.store(20, Ordering::SeqCst);
    let text = open(1, "1s", "").replace(
        "kind = \"open\"\nrate = 1.0",
        "kind = \"closed\"\nusers = 4",
    );
    let ended = Loadgen::scenario(&text).target(&system).run();
    let completed = ended.report()["journeys"]["completed"].as_u64().unwrap();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        (100..=200).contains(&completed),
        "4 users × 1 s / 20 ms = 200 at most: {completed}"
    );
}

#[test]
fn think_time_stands_between_a_users_journeys() {
    let system = SmallSystem::start();
    let text = open(1, "1s", "").replace(
        "kind = \"open\"\nrate = 1.0",
        "kind = \"closed\"\nusers = 2\nthink_time = \"200ms\"",
    );
    let completed =
        Loadgen::scenario(&text).target(&system).run().report()["journeys"]["completed"]
            .as_u64()
            .unwrap();
    assert!((6..=10).contains(&completed), "{completed}");
}

#[test]
fn the_warm_up_is_left_out_of_the_figures() {
    let system = SmallSystem::start();
    let text = open(100, "2s", "").replace("[[journeys]]", "warm_up = \"1s\"\n[[journeys]]");
    let report = Loadgen::scenario(&text).target(&system).run().report();
    assert_eq!(report["steps"][0]["count"], 100);
    assert_eq!(system.requests(), 200);
    // What is asked means the same journeys as what is completed.
    let points = report["series"]["points"].as_array().unwrap();
    let sum = |key: &str| -> f64 { points.iter().filter_map(|p| p[key].as_f64()).sum() };
    assert!((sum("asked") - 100.0).abs() < 1.0, "{}", sum("asked"));
    assert_eq!(sum("completed"), 100.0);
}

#[test]
fn a_run_in_which_nothing_was_completed_fails_without_any_threshold() {
    let system = SmallSystem::start();
    system.behaviour.failing.store(true, Ordering::SeqCst);
    let run = || Loadgen::scenario(&open(50, "500ms", "")).target(&system);
    let ended = run().run();
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    for said in [
        "verdict: FAIL",
        "no journey was completed: 25 failed",
        "journeys.error_rate <= 5%: it was 100.000 %; this is the default bound",
    ] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
    // Nor if every journey may fail.
    let allowed = run().arguments(&["--max-error-rate", "100%"]).run();
    assert_eq!(allowed.code, 1, "{}", allowed.stdout);
    assert!(!allowed.stdout.contains("journeys.error_rate"));
}

#[test]
fn requests_without_an_answer_are_in_no_response_time() {
    let system = SmallSystem::start();
    let limits = "[limits]\nrequest_timeout = \"200ms\"\nslip_p99_max = \"5s\"\nloop_stall_p99_max = \"5s\"\n";
    let run = Loadgen::scenario(&open(50, "1s", limits)).target(&system);
    let run = run.arguments(&["--csv", "seconds.csv"]);
    let child = run.start();
    eventually("the first requests", || system.requests() > 15);
    system.behaviour.stalled.store(true, Ordering::SeqCst);
    let ended = run.ended(child.wait_with_output().unwrap());
    let report = ended.report();
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    for figures in [&report["steps"][0], &report["all_steps"]] {
        let number = |pointer: &str| figures.pointer(pointer).unwrap().as_u64().unwrap();
        let unanswered = number("/unanswered");
        assert!(unanswered > 0, "{figures:#}");
        assert_eq!(number("/errors"), unanswered);
        assert_eq!(number("/unanswered_time_us/count"), unanswered);
        for times in ["response_time_us", "service_time_us"] {
            let answered = number(&format!("/{times}/count"));
            assert_eq!(answered + unanswered, number("/count"), "{times}");
        }
        assert_eq!(number("/failed_time_us/count"), 0);
    }
    let points = report["series"]["points"].as_array().unwrap();
    let sum: u64 = points.iter().filter_map(|p| p["unanswered"].as_u64()).sum();
    assert_eq!(sum, report["all_steps"]["unanswered"]);
    let mut csv = csv::Reader::from_path(ended.out.with_file_name("seconds.csv")).unwrap();
    let column = csv
        .headers()
        .unwrap()
        .iter()
        .position(|c| c == "unanswered");
    let rows = csv
        .records()
        .map(|row| row.unwrap()[column.unwrap()].parse::<u64>());
    let sum: u64 = rows.map(Result::unwrap).sum();
    assert_eq!(sum, report["all_steps"]["unanswered"]);
    for said in [
        "Failed requests",
        "| unanswered",
        "of requests answered as expected",
    ] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
    let page = std::fs::read_to_string(ended.out.join("report.html")).unwrap();
    assert!(page.contains("the others have lines of their own"));
    for plot in ["spectrum", "errors-over-time"] {
        let lines = legend(&page, plot);
        assert!(lines.contains("unanswered"), "{plot}: {lines}");
    }
    assert!(page.contains("Failed requests") && page.contains("requests\u{a0}unanswered"));
    assert!(ended.out.join("unanswered_time.get_thing.hlog").is_file());
}

#[test]
fn a_pause_before_a_request_is_not_counted_into_its_response_time() {
    let system = SmallSystem::start();
    // 20.4 ms between arrivals, so that the pauses end anywhere between two milliseconds.
    let paused = open(49, "1s", "").replacen(
        "[[journeys.steps]]",
        "[[journeys.steps]]\nthink = \"15.3ms\"\n[[journeys.steps]]",
        1,
    );
    // The slip of the request after the pause is how late the pause ended. The runtime's timer is late by half a millisecond in the
    // median, whatever else the machine does; a busy machine may spoil a run, but not each of them.
    let late = || {
        let report = Loadgen::scenario(&paused).target(&system).run().report();
        let p50 = |pointer: &str| report.pointer(pointer).unwrap().as_f64().unwrap();
        p50("/steps/0/slip_us/p50") - p50("/generator/schedule_slip_us/p50")
    };
    let mut seen = vec![late()];
    while seen.len() < 5 && seen.iter().all(|late| *late >= 350.0) {
        seen.push(late());
    }
    assert!(seen.iter().any(|late| *late < 350.0), "{seen:?} µs");
}

#[test]
fn errors_are_counted_by_kind_with_examples_and_a_missed_threshold_fails_the_run() {
    let system = SmallSystem::start();
    system.behaviour.failing.store(true, Ordering::SeqCst);
    let ended = Loadgen::scenario(&open(50, "1s", "thresholds = [\"error_rate < 0.1%\"]"))
        .target(&system)
        .run();
    let report = ended.report();
    assert_eq!(ended.code, 1);
    assert_eq!(report["errors"][0]["kind"], "status 500");
    assert_eq!(report["errors"][0]["count"], 50);
    assert_eq!(report["errors"][0]["examples"].as_array().unwrap().len(), 5);
    assert_eq!(report["journeys"]["failed"], 50);
}

#[test]
fn a_threshold_that_holds_passes_and_one_without_samples_does_not() {
    let system = SmallSystem::start();
    let held = Loadgen::scenario(&open(
        50,
        "1s",
        "thresholds = [\"response_time[get thing].p99 < 5s\", \"backlog_end == 0\"]",
    ))
    .target(&system)
    .run();
    let empty = Loadgen::scenario(&open(50, "1s", "thresholds = [\"event_lag.p99 < 5s\"]"))
        .target(&system)
        .run();
    assert_eq!((held.code, empty.code), (0, 1), "{}", held.stdout);
}

#[test]
fn a_run_without_samples_is_invalid() {
    let system = SmallSystem::start();
    // The only arrival is in the warm-up.
    let text = open(1, "1s", "").replace("[[journeys]]", "warm_up = \"500ms\"\n[[journeys]]");
    let ended = Loadgen::scenario(&text).target(&system).run();
    assert_eq!(ended.code, 3);
    let hint = "no samples: nothing was measured; make the run longer than its warm-up";
    assert!(ended.stdout.contains(hint), "{}", ended.stdout);
}

#[test]
fn a_run_without_samples_says_what_kept_it_from_them() {
    let system = SmallSystem::start();
    let warm_up = "warm_up = \"900ms\"\n[[journeys]]";
    let feeder =
        "[[feeders]]\nname = \"n\"\nitems = [1, 2]\npick = \"sequential\"\nat_end = \"stop\"\n";
    let fed = open(20, "1s", feeder)
        .replace("[[journeys]]", warm_up)
        .replace("\"/thing\"", "\"/thing/{{n}}\"");
    let failing = open(20, "1s", "[parameters]\nword = \"abc\"\n")
        .replace("\"/thing\"", "\"/thing/{{word|number}}\"");
    for (text, why) in [
        (fed, "no samples: a feeder had no more values after 0."),
        (
            failing,
            "no journey came to a request: 20 failed, 0 were skipped",
        ),
    ] {
        let ended = Loadgen::scenario(&text).target(&system).run();
        let reasons = ended.report()["verdict"]["reasons"].clone();
        let first = reasons[0].as_str().unwrap_or_default();
        assert_eq!(ended.code, 3, "{}", ended.stdout);
        assert!(first.contains(why), "{reasons}");
        assert!(
            !reasons.to_string().contains("make the run longer"),
            "{reasons}"
        );
    }
}

#[test]
fn ctrl_c_once_stops_waits_for_what_is_in_flight_and_writes_the_report() {
    let system = SmallSystem::start();
    let run = Loadgen::scenario(&open(100, "60s", "")).target(&system);
    let child = run.start();
    eventually("the first requests", || system.requests() > 30);
    signal(&child, "INT");
    let ended = run.ended(child.wait_with_output().unwrap());
    let report = ended.report();
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(
        ended
            .stdout
            .contains("verdict: INTERRUPTED\n  interrupted: no journeys were started after"),
        "{}",
        ended.stdout
    );
    assert_eq!(report["verdict"]["result"], "INTERRUPTED");
    assert_eq!(
        report["journeys"]["started"],
        report["journeys"]["completed"]
    );
    assert_eq!(report["journeys"]["started"], system.requests());
}

#[test]
fn ctrl_c_is_heard_at_a_rate_that_no_machine_reaches() {
    let system = SmallSystem::start();
    let limits = "[limits]\nin_flight_max = 20\n";
    let text = open(10_000_000, "60s", limits);
    let run = Loadgen::scenario(&text).target(&system);
    let mut child = run.start();
    eventually("the first requests", || system.requests() > 30);
    signal(&child, "INT");
    eventually("its end", || child.try_wait().unwrap().is_some());
    let ended = run.ended(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert_eq!(ended.report()["verdict"]["result"], "INTERRUPTED");
}

#[test]
fn ctrl_c_twice_leaves_without_waiting() {
    let system = SmallSystem::start();
    system.behaviour.stalled.store(true, Ordering::SeqCst);
    let run = Loadgen::scenario(&open(100, "60s", "")).target(&system);
    let mut child = run.start();
    eventually("the first requests", || system.requests() > 5);
    let start = std::time::Instant::now();
    eventually("its end", || {
        if child.try_wait().unwrap().is_none() {
            signal(&child, "INT");
        }
        child.try_wait().unwrap().is_some()
    });
    assert!(
        start.elapsed() < Duration::from_secs(9),
        "sooner than the stalled requests' timeout"
    );
    assert_eq!(child.wait().unwrap().code(), Some(4));
}

#[test]
fn what_the_end_of_the_run_overtook_is_counted_as_unsent() {
    let system = SmallSystem::start();
    let run = Loadgen::scenario(&open(100, "1s", "")).target(&system);
    let child = run.start();
    eventually("the first requests", || system.requests() > 10);
    signal(&child, "STOP");
    let stopped = std::time::Instant::now();
    eventually("the stop's end", || {
        stopped.elapsed() > Duration::from_millis(2_500)
    });
    signal(&child, "CONT");
    let ended = run.ended(child.wait_with_output().unwrap());
    let report = ended.report();
    let count = |name: &str| report["journeys"][name].as_u64().unwrap();
    assert!(count("unsent") > 30, "{}", ended.stdout);
    assert_eq!(count("started") + count("unsent"), 100);
    assert_eq!(ended.code, 3);
}
