//! Awaited states on a live feed: visible means told and applied; nothing is missed when the feed breaks.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::sync::atomic::Ordering;

use support::{Loadgen, SmallSystem};

fn awaiting(rate: u32, status: &str, timeout: &str) -> String {
    format!(
        r#"name = "test"
description = "create and await"
[workload]
kind = "open"
rate = {rate}.0
duration = "1s"

[[journeys]]
name = "create"
[[journeys.steps]]
name = "post"
request = {{ method = "POST", path = "/thing", body = {{ name = "x" }} }}
extract = {{ id = "/result/0" }}
[[journeys.steps]]
await = {{ topic = "thing", name = "READY", id = "{{{{id}}}}", where = {{ "/status" = "{status}" }}, timeout = "{timeout}", since = "post", extract = {{ same = "/entity_id" }} }}
[[journeys.steps]]
name = "get"
request = {{ method = "GET", path = "/thing/{{{{same}}}}" }}
"#
    )
}

#[test]
fn end_to_end_counts_until_the_read_model_has_applied_the_event() {
    let system = SmallSystem::start();
    system.behaviour.apply_delay_ms.store(100, Ordering::SeqCst);
    let ended = Loadgen::scenario(&awaiting(20, "READY", "5s"))
        .target(&system)
        .run();
    let report = ended.report();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(report["end_to_end"][0]["count"], 20);
    let p50 = report["end_to_end"][0]["p50_us"].as_f64().unwrap();
    assert!((100_000.0..200_000.0).contains(&p50), "{p50} µs");
    let post = report["steps"][0]["response_time_us"]["p50"]
        .as_f64()
        .unwrap();
    assert!(post < 50_000.0, "the request itself was fast: {post} µs");
}

#[test]
fn an_event_that_comes_before_the_answer_is_not_missed_and_counts_from_when_it_was_visible() {
    let system = SmallSystem::start();
    system
        .behaviour
        .answer_delay_ms
        .store(150, Ordering::SeqCst);
    let ended = Loadgen::scenario(&awaiting(20, "READY", "1s"))
        .target(&system)
        .run();
    let report = ended.report();
    assert_eq!(report["journeys"]["completed"], 20, "{}", ended.stderr);
    let p50 = report["end_to_end"][0]["p50_us"].as_f64().unwrap();
    assert!(p50 < 120_000.0, "visible before the answer came: {p50} µs");
}

#[test]
fn a_feed_that_breaks_goes_on_where_it_was_and_is_named_in_the_report() {
    let system = SmallSystem::start();
    system
        .behaviour
        .feed_breaks_after
        .store(10, Ordering::SeqCst);
    let ended = Loadgen::scenario(&awaiting(30, "READY", "10s"))
        .target(&system)
        .run();
    let report = ended.report();
    assert_eq!(report["journeys"]["completed"], 30, "{}", ended.stderr);
    assert!(report["generator"]["feed_reconnects"].as_u64().unwrap() >= 2);
    assert!(report["warnings"][0].as_str().unwrap().contains("feed"));
}

#[test]
fn a_state_that_never_comes_fails_its_journey_with_the_reason() {
    let system = SmallSystem::start();
    let ended = Loadgen::scenario(&awaiting(10, "NEVER", "100ms"))
        .target(&system)
        .run();
    let report = ended.report();
    assert_eq!(report["journeys"]["failed"], 10);
    assert_eq!(report["errors"][0]["kind"], "await timeout");
    assert_eq!(report["end_to_end"][0]["timeouts"], 10);
}
