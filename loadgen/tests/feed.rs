//! Awaited states on a live feed: visible means seen and applied; nothing is missed when the feed breaks. Also the latency budget
//! from the shop's own times.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "support/program.rs"]
mod support;

use std::sync::atomic::Ordering;

use serde_json::Value;
use support::shop::Shop;
use support::{Loadgen, ROOM, SmallSystem};

fn awaiting(rate: u32, status: &str, timeout: &str) -> String {
    format!(
        r#"name = "test"
description = "create and await"
[workload]
kind = "open"
rate = {rate}.0
duration = "1s"
{ROOM}
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
    // So long that a machine that is busy with other things can't be mistaken for it.
    system
        .behaviour
        .apply_delay_ms
        .store(1_000, Ordering::SeqCst);
    let ended = Loadgen::scenario(&awaiting(20, "READY", "5s"))
        .target(&system)
        .run();
    let report = ended.report();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(report["end_to_end"][0]["count"], 20);
    let p50 = report["end_to_end"][0]["p50_us"].as_f64().unwrap();
    assert!((1_000_000.0..2_000_000.0).contains(&p50), "{p50} µs");
    let post = report["steps"][0]["response_time_us"]["p50"]
        .as_f64()
        .unwrap();
    assert!(post < 900_000.0, "the request itself was fast: {post} µs");
}

#[test]
fn an_event_that_comes_before_the_answer_is_not_missed_and_counts_from_when_it_was_visible() {
    let system = SmallSystem::start();
    system
        .behaviour
        .answer_delay_ms
        .store(1_500, Ordering::SeqCst);
    let ended = Loadgen::scenario(&awaiting(20, "READY", "5s"))
        .target(&system)
        .run();
    let report = ended.report();
    assert_eq!(report["journeys"]["completed"], 20, "{}", ended.stderr);
    let p50 = report["end_to_end"][0]["p50_us"].as_f64().unwrap();
    assert!(
        p50 < 1_200_000.0,
        "visible before the answer came: {p50} µs"
    );
}

#[test]
fn a_feed_that_breaks_goes_on_where_it_was_and_is_named_in_the_report() {
    for is_split in [false, true] {
        let system = SmallSystem::start();
        let behaviour = &system.behaviour;
        behaviour.is_split.store(is_split, Ordering::SeqCst);
        behaviour.feed_breaks_after.store(10, Ordering::SeqCst);
        let ended = Loadgen::scenario(&awaiting(30, "READY", "10s"))
            .target(&system)
            .run();
        let report = ended.report();
        assert_eq!(report["journeys"]["completed"], 30, "{}", ended.stderr);
        assert!(report["generator"]["feed_reconnects"].as_u64().unwrap() >= 2);
        assert!(report["warnings"][0].as_str().unwrap().contains("feed"));
    }
}

#[test]
fn a_request_after_a_write_asks_for_no_older_state_because_another_gateway_may_answer() {
    let awaits = awaiting(5, "READY", "5s");
    let line = awaits
        .lines()
        .find(|line| line.starts_with("await"))
        .unwrap();
    let pauses = awaits
        .replace(line, r#"think = "1ms""#)
        .replace("{{same}}", "{{id}}");
    for (scenario, tells_positions) in [(awaits, false), (pauses, true)] {
        for is_split in [false, true] {
            asks_for_no_older_state(&scenario, tells_positions, is_split);
        }
    }
}

#[track_caller]
fn asks_for_no_older_state(scenario: &str, tells_positions: bool, is_split: bool) {
    let system = SmallSystem::start();
    system.behaviour.is_split.store(is_split, Ordering::SeqCst);
    let tells = &system.behaviour.tells_positions;
    tells.store(tells_positions, Ordering::SeqCst);
    let ended = Loadgen::scenario(scenario).target(&system).run();
    let completed = &ended.report()["journeys"]["completed"];
    assert_eq!(completed, 5, "{}", ended.stderr);
    let asked = system.behaviour.at_least.lock().unwrap().clone();
    let mut told = Vec::new();
    for (path, at_least) in asked {
        match (path.strip_prefix("/thing/"), at_least) {
            (None, None) => {}
            (Some(id), Some(at_least)) => told.push((id.to_owned(), at_least)),
            odd => panic!("{odd:?}"),
        }
    }
    told.sort();
    // The n-th thing is the n-th event.
    let expected = match is_split {
        false => [
            "thing=1-1",
            "thing=1-2",
            "thing=1-3",
            "thing=1-4",
            "thing=1-5",
        ],
        true => [
            "thing.1=1-1",
            "thing=9-2",
            "thing.1=1-3",
            "thing=9-4",
            "thing.1=1-5",
        ],
    };
    let expected = (0..).zip(expected);
    let expected = expected.map(|(n, at)| (format!("t{n}"), at.to_owned()));
    assert_eq!(told, expected.collect::<Vec<_>>());
    let rows = ended.report()["event_lag"].as_array().unwrap().clone();
    let topics: Vec<&Value> = rows.iter().map(|row| &row["topic"]).collect();
    assert_eq!(topics, ["thing"]);
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

/// Asserts that a budget has these parts, and that their means add up to the total's.
#[track_caller]
fn adds_up(budget: &Value, parts: &[&str]) {
    let of = |part: &Value| part["mean_us"].as_f64().unwrap();
    let told = budget["parts"].as_array().unwrap();
    let names: Vec<&str> = told.iter().map(|p| p["name"].as_str().unwrap()).collect();
    for part in parts {
        assert!(names.contains(part), "no {part} in {names:?}");
    }
    assert_eq!(names.last(), Some(&"unexplained"), "{names:?}");
    let sum: f64 = told.iter().map(of).sum();
    let whole = of(&budget["total"]);
    assert!(
        (sum - whole).abs() < 0.01,
        "{sum} µs of {whole} µs: {budget}"
    );
}

/// A few orders on a shop; every journey is sampled, and the shop reports all its times.
fn every_part_of_an_order_s_way_is_told_by(shop: &Shop) {
    let scenario = include_str!("../../scenarios/checkout.toml")
        .replace("products = 200", "products = 3")
        .replace("customers = 500", "customers = 3")
        .replace("rate = 200.0", "rate = 10.0")
        .replace("duration = \"30s\"", "duration = \"1s\"");
    let room = "[limits]\nslip_p99_max = \"60s\"\ncpu_pct_max = 1000.0\nloop_stall_p99_max = \"60s\"\nclock_jump_max = \"60s\"\n\n[workload]";
    let ended = Loadgen::scenario(&scenario.replace("[workload]", room))
        .arguments(&["--target", &shop.url])
        .run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);

    let budget = ended.report()["latency_budget"].clone();

    assert_eq!(budget["sampled"], 10);
    let requests = budget["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 4);
    for request in requests {
        assert_eq!(request["count"], 10);
        let parts = [
            "write", "gateway", "queue", "handler", "append", "reply", "read",
        ];
        adds_up(request, &parts);
    }
    let states = budget["states"].as_array().unwrap();
    assert_eq!(states.len(), 4);
    for state in states {
        assert_eq!(state["count"], 10);
        let parts = [
            "queue",
            "handler",
            "append",
            "stream wait",
            "projection",
            "feed",
        ];
        adds_up(state, &parts);
    }
    let same = |i: usize| {
        let of = &ended.report()["end_to_end"][i];
        (of["name"].clone(), of["mean_us"].as_f64().unwrap())
    };
    for (i, state) in states.iter().enumerate() {
        let (name, mean_us) = same(i);
        let whole = state["total"]["mean_us"].as_f64().unwrap();
        assert_eq!(state["name"], name);
        // The histogram keeps three digits.
        assert!(
            (whole - mean_us).abs() <= mean_us / 500.0 + 2.0,
            "{whole} {mean_us}"
        );
    }
    let slowest = budget["slowest"].as_array().unwrap();
    assert_eq!(slowest.len(), 10);
    let text = slowest[0].to_string();
    for hop in [
        "billing → order",
        "order → shipping",
        "shipping → order",
        "order → read model",
    ] {
        assert!(text.contains(hop), "no {hop} in {text}");
    }
    assert!(
        ended.stdout.contains("Slowest sampled journey")
            || ended.stderr.contains("Slowest sampled journey")
    );
}

#[test]
fn an_order_s_way_through_the_shop_in_one_process_adds_up() {
    every_part_of_an_order_s_way_is_told_by(&Shop::open());
}

#[test]
fn an_order_s_way_through_a_process_a_service_adds_up() {
    every_part_of_an_order_s_way_is_told_by(&Shop::open_processes());
}

#[test]
fn a_target_that_tells_no_times_has_a_budget_of_what_the_generator_saw() {
    let system = SmallSystem::start();
    let ended = Loadgen::scenario(&awaiting(20, "READY", "5s"))
        .target(&system)
        .run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let budget = ended.report()["latency_budget"].clone();
    assert_eq!(budget["sampled"], 20);
    adds_up(&budget["requests"][0], &["write", "server and network"]);
    adds_up(&budget["states"][0], &["write"]);
}
