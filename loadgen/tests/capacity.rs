//! Tests the search for the highest rate, against a service of known capacity.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "support/page.rs"]
mod page;
#[path = "../../testing/script.rs"]
mod script;
#[path = "support/service.rs"]
mod service;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use page::legend;
use script::script;
use serde_json::{Value, json};
use service::{Ended, Folder, Service, ended};
use test_browser::Browser;

/// A service that handles one request at a time, each for this many ms; it sustains at most 1,000 / ms requests a second.
fn one_at_a_time(ms: u64) -> Service {
    Service::start(move |_| {
        std::thread::sleep(Duration::from_millis(ms));
        (200, "{}".to_owned())
    })
}

fn scenario(limits: &str) -> String {
    format!(
        r#"name = "gets"
description = "one request"
[workload]
kind = "open"
rate = 100.0
duration = "1m"
[limits]
slip_p99_max = "1m"
loop_stall_p99_max = "1m"
{limits}
[[journeys]]
name = "get"
[[journeys.steps]]
name = "get"
request = {{ method = "GET", path = "/" }}
"#
    )
}

const PROBES: [&str; 4] = ["--probe-duration", "5s", "--warm-up", "0s"];

fn search(folder: &Folder, service: &Service, more: &[&str]) -> Ended {
    let arguments = [
        "capacity",
        "gets.toml",
        "--target",
        &service.url,
        "--out",
        "out",
    ];
    folder.loadgen(&[&arguments, &PROBES[..], more].concat())
}

fn found(folder: &Folder) -> Value {
    let text = std::fs::read_to_string(folder.0.path().join("out/capacity.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn what_a_service_sustains_is_found_between_the_rates_that_hold_and_those_that_do_not() {
    // The service sustains at most 166/s.
    let service = one_at_a_time(6);
    let folder = Folder::new().with("gets.toml", &scenario("cpu_pct_max = 1000.0"));
    let ended = search(&folder, &service, &["--precision", "50%"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let found = found(&folder);
    assert_eq!(found["schema"], "loadgen-capacity/1");
    assert_eq!(found["result"], "FOUND");
    let rate = found["rate_per_s"].as_f64().unwrap();
    let exceeded = found["exceeded_per_s"].as_f64().unwrap();
    assert!((50.0..167.0).contains(&rate), "{rate}\n{}", ended.stderr);
    assert!(
        exceeded > rate && exceeded <= rate * 1.5 + 1.0,
        "{exceeded}"
    );
    let probes = found["probes"].as_array().unwrap();
    let held = |p: &&Value| p["rate_per_s"] == rate && p["judged"] == "HOLDS";
    assert!(probes.iter().filter(held).count() >= 2, "confirmed");
    let reasons = found["reasons"].to_string();
    assert!(reasons.contains("journeys in flight grew by"), "{reasons}");
    for probe in probes {
        let run = folder
            .0
            .path()
            .join("out")
            .join(probe["folder"].as_str().unwrap());
        assert!(run.join("report.html").is_file(), "{run:?}");
    }
    let conclusion = format!("gets: sustains {rate:.0}/s");
    let said = format!("verdict: sustains {rate:.0}/s");
    assert!(ended.stdout.contains(&said), "{}", ended.stdout);
    let text = std::fs::read_to_string(folder.0.path().join("out/capacity.md")).unwrap();
    assert!(text.starts_with(&format!("# ✅ {conclusion}")), "{text}");
    // The report of the run at that rate has the warning, too.
    let too_high = probes.iter().find(|p| p["rate_per_s"] == exceeded).unwrap();
    let report = folder
        .0
        .path()
        .join("out")
        .join(too_high["folder"].as_str().unwrap());
    let report = std::fs::read_to_string(report.join("report.json")).unwrap();
    assert!(
        report.contains("is more than the target sustains"),
        "{report}"
    );
    let page = folder.0.path().join("out/capacity.html");
    // The service has its own runtime, which can't start within another one.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(the_page_is_drawn(&page, &conclusion));
}

async fn the_page_is_drawn(page: &std::path::Path, conclusion: &str) {
    let Some(browser) = Browser::open_file(page).await else {
        return;
    };
    let title = browser.title().await;
    assert!(title.starts_with(conclusion), "{title}");
    let plots = "return [...document.querySelectorAll('svg.plot')].filter((s) => s.checkVisibility()).map((s) => [s.closest('figure').id, s.getBoundingClientRect().width > 300, s.querySelectorAll('polyline, circle').length > 1])";
    browser
        .on_every_screen(async |on| {
            assert_eq!(
                browser.script(plots).await,
                json!([
                    ["latency", true, true],
                    ["throughput", true, true],
                    ["cpu", true, true]
                ]),
                "{on}"
            );
        })
        .await;
    let reasons = "return document.querySelector('main').innerText.includes('sustained: ')";
    assert_eq!(browser.script(reasons).await, json!(true));
    browser.is_quiet().await;
    browser.close().await;
}

#[test]
fn when_not_even_the_lowest_rate_holds_the_search_ends_with_1() {
    let service = one_at_a_time(20);
    let limits = "cpu_pct_max = 1000.0\nin_flight_max = 20";
    let folder = Folder::new().with("gets.toml", &scenario(limits));
    let ended = search(&folder, &service, &["--lowest", "100"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(
        ended.stdout.contains("not even 100/s is sustained"),
        "{}",
        ended.stdout
    );
    assert_eq!(found(&folder)["result"], "NONE");
}

#[test]
fn a_generator_that_is_the_limit_is_said_to_be_and_ends_with_3() {
    let service = one_at_a_time(0);
    let folder = Folder::new().with("gets.toml", &scenario("cpu_pct_max = 0.0001"));
    let ended = search(&folder, &service, &["--lowest", "100"]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(
        ended.stdout.contains("the generator is the limit"),
        "{}",
        ended.stdout
    );
    assert_eq!(found(&folder)["result"], "LIMITED");
}

#[test]
fn a_search_that_is_stopped_reports_what_is_known() {
    let service = one_at_a_time(0);
    let folder = Folder::new().with("gets.toml", &scenario(""));
    let arguments = [
        "capacity",
        "gets.toml",
        "--target",
        &service.url,
        "--out",
        "out",
    ];
    let child = folder.start(&arguments);
    let start = std::time::Instant::now();
    while service.count("GET /") < 10 {
        assert!(start.elapsed() < Duration::from_secs(20), "no request");
        std::thread::yield_now();
    }
    let signalled = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(signalled.unwrap().success());
    let ended = ended(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let said = "stopped before the capacity was known: nothing is known yet";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    assert_eq!(found(&folder)["result"], "STOPPED");
}

#[test]
fn what_cannot_be_searched_is_refused_with_what_is_allowed() {
    let closed = scenario("").replace(
        "kind = \"open\"\nrate = 100.0",
        "kind = \"closed\"\nusers = 2",
    );
    let windowed = scenario("").replace(
        "[workload]",
        "thresholds = [\"p(99) over 30s < 1s\"]\n[workload]",
    );
    let folder = Folder::new()
        .with("gets.toml", &scenario(""))
        .with("closed.toml", &closed)
        .with("windowed.toml", &windowed);
    let rows: [(&[&str], &str); 10] = [
        (&["closed.toml"], "has no open workload"),
        (
            &["windowed.toml"],
            "--probe-duration: the window of the threshold `p(99) over 30s < 1s` is longer",
        ),
        (
            &["gets.toml", "--probe-duration", "3s"],
            "at least 5s longer than --warm-up",
        ),
        (
            &["gets.toml", "--precision", "99%"],
            "write a share from 0.5% to 50%",
        ),
        (
            &["gets.toml", "--lowest", "9", "--highest", "8"],
            "above --highest",
        ),
        (
            &["gets.toml", "--start", "20", "--highest", "10"],
            "--start 20: out of range; allowed: --lowest to --highest, 1 to 10",
        ),
        (&["gets.toml", "--highest", "100000000"], "up to 10000000"),
        (
            &["gets.toml", "--target", "http://127.0.0.1:1"],
            "can't be reached",
        ),
        (
            &[
                "gets.toml",
                "--target",
                "http://127.0.0.1:1",
                "--vary",
                "threads=1,2",
            ],
            "--vary is for a system that is started here",
        ),
        (&["no-such"], "there is no scenario `no-such`"),
    ];
    for (arguments, expected) in rows {
        let ended = folder.loadgen(&[&["capacity"], arguments].concat());
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.stderr);
        assert!(
            ended.flat().contains(expected),
            "{arguments:?}: {}",
            ended.flat()
        );
    }
}

/// A service that fails every fourth request, at any rate.
fn failing_every_fourth() -> Service {
    let asked = AtomicU64::new(0);
    Service::start(move |_| match asked.fetch_add(1, Ordering::Relaxed) % 4 {
        0 => (500, "{}".to_owned()),
        _ => (200, "{}".to_owned()),
    })
}

#[test]
fn failures_that_a_threshold_allows_do_not_end_the_search_and_are_told() {
    let bounded = scenario("").replace(
        "[workload]",
        "thresholds = [\"error_rate < 50%\"]\n[workload]",
    );
    allowed_failures_are_told(&bounded, &[]);
}

#[test]
fn failures_that_an_option_allows_do_not_end_the_search_and_are_told() {
    allowed_failures_are_told(&scenario(""), &["--max-error-rate", "50%"]);
}

fn allowed_failures_are_told(text: &str, more: &[&str]) {
    let (service, folder) = (failing_every_fourth(), Folder::new());
    let folder = folder.with("gets.toml", text);
    let range = ["--start", "20", "--highest", "40"];

    let ended = search(&folder, &service, &[&range, more].concat());

    assert_eq!(ended.code, 3, "{}{}", ended.stdout, ended.stderr);
    let found = found(&folder);
    assert_eq!(found["result"], "AT_LEAST", "{}", ended.stdout);
    assert_eq!(found["rate_per_s"], 40.0);
    let said = "at 40/s 10/s failed, which the scenario's thresholds allow";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    assert_eq!(found["probes"][1]["failed_per_s"], 10.0);
    assert_eq!(found["probes"][1]["reached_per_s"], 30.0);
}

#[test]
fn failures_that_nothing_allows_are_why_no_rate_is_sustained() {
    let service = failing_every_fourth();
    let folder = Folder::new().with("gets.toml", &scenario(""));

    let ended = search(&folder, &service, &["--lowest", "20", "--start", "20"]);

    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let said = "it was 25.000 %; this is the default bound, which --max-error-rate or a threshold on errors replaces";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    assert_eq!(found(&folder)["probes"][0]["judged"], "FAREXCEEDS");
}

#[test]
fn a_service_that_only_fails_sustains_nothing_even_where_all_may_fail() {
    let service = Service::start(|_| (500, "{}".to_owned()));
    let folder = Folder::new().with("gets.toml", &scenario(""));
    let all = [
        "--max-error-rate",
        "100%",
        "--lowest",
        "20",
        "--start",
        "20",
    ];

    let ended = search(&folder, &service, &all);

    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let said = "no journey was completed, all of them failed";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    // Without a good answer there is no response time, and not one of 0.
    let shown = format!("{}{}", ended.stdout, ended.stderr);
    assert!(!shown.contains("0 µs"), "{shown}");
}

#[test]
fn several_systems_are_searched_each_with_a_report_of_its_own_and_one_of_all() {
    let folder = Folder::new().with("gets.toml", &scenario(""));
    let system = folder.0.path().join("ordershop");
    std::fs::write(&system, "#!/bin/sh\n").unwrap();
    let out = folder.0.path().join("out");
    // No time for a probe: what each search knows is that it knows nothing.
    let ended = folder.loadgen(&[
        "capacity",
        "gets.toml",
        "--vary",
        "threads=1,2",
        "--budget",
        "1s",
        "--system-bin",
        system.to_str().unwrap(),
        "--out",
        "out",
    ]);

    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let all = found(&folder);
    assert_eq!(all["schema"], "loadgen-capacities/1");
    assert_eq!(all["varied"], "threads");
    let labels = all["searches"].as_array().unwrap().iter();
    let labels: Vec<&Value> = labels.map(|search| &search["label"]).collect();
    assert_eq!(labels, ["threads=1", "threads=2"]);
    for file in ["capacity.html", "a/capacity.html", "b/capacity.json"] {
        assert!(out.join(file).is_file(), "{file}: {}", ended.stderr);
    }
    assert!(
        ended.stdout.contains("threads=2: the budget was used up"),
        "{}",
        ended.stdout
    );
}

#[test]
fn servers_have_a_curve_each_in_one_plot_and_nothing_that_is_exported_for_something_else() {
    let service = one_at_a_time(6);
    let folder = Folder::new().with("gets.toml", &scenario("cpu_pct_max = 1000.0"));
    let system = folder.0.path().join("ordershop");
    let ready = format!(
        "env >> {}\ntrap 'exit 0' TERM\necho 'ready: {} (and more)'\nwhile :; do sleep 0.05; done",
        folder.0.path().join("environment").display(),
        service.url
    );
    script(&system, &ready);
    let servers = ["7.0.0", "8.0.0"].map(|version| {
        let server = folder.0.path().join(format!("server-{version}"));
        script(&server, &format!("echo 'Redis server v={version}'"));
        (format!("redis {version} ({})", server.display()), server)
    });
    let vary = format!(
        "redis={},{}",
        servers[0].1.display(),
        servers[1].1.display()
    );
    let arguments = [
        "capacity",
        "gets.toml",
        "--vary",
        &vary,
        "--probe-duration",
        "5s",
        "--warm-up",
        "0s",
        "--budget",
        "12s",
        "--system-bin",
        system.to_str().unwrap(),
        "--out",
        "out",
    ];
    let exported = [("THREADS", "7"), ("LC_ALL", "C")];
    let ended = folder.loadgen_with(&exported, &arguments);

    let environment = std::fs::read_to_string(folder.0.path().join("environment")).unwrap();
    let has = |line: &str| environment.lines().any(|known| known == line);
    assert!(has("LC_ALL=C") && !has("THREADS=7"), "{environment}");
    assert!([0, 3].contains(&ended.code), "{}", ended.stderr);
    let all = found(&folder);
    for search in all["searches"].as_array().unwrap() {
        let probes = search["probes"].as_array().unwrap();
        assert!(!probes.is_empty(), "{search}\n{}", ended.stderr);
    }
    let page = folder.0.path().join("out/capacity.html");
    let text = std::fs::read_to_string(&page).unwrap();
    for (label, _) in &servers {
        for plot in ["latency", "throughput"] {
            assert!(legend(&text, plot).contains(label), "{plot}: {label}");
        }
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let Some(browser) = Browser::open_file(&page).await else {
            return;
        };
        let plots = "return [...document.querySelectorAll('svg.plot')].filter((s) => s.checkVisibility()).map((s) => s.closest('figure')).map((f) => [f.id, f.querySelectorAll('polyline, circle').length > 1, NAMES.every((name) => f.textContent.includes(name))])";
        let names = json!(servers.each_ref().map(|(label, _)| label)).to_string();
        assert_eq!(
            browser.script(&plots.replace("NAMES", &names)).await,
            json!([["latency", true, true], ["throughput", true, true]])
        );
        browser.is_quiet().await;
        browser.close().await;
    });
}
