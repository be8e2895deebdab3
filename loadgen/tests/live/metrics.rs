//! Tests `--metrics-listen`: what Prometheus reads during a run.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;
use std::sync::atomic::Ordering;

use crate::support::{Loadgen, SmallSystem, eventually, open, signal, two_workloads};

/// The address that a run prints.
fn address(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.find_map(|line| {
        let line = line.unwrap();
        let rest = line.strip_prefix("metrics: http://")?;
        Some(rest.strip_suffix("/metrics")?.to_owned())
    });
    // The rest is read, too, because the program would block on a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    line.unwrap()
}

fn get(address: &str, path: &str) -> String {
    get_as(address, path, "*/*")
}

fn get_as(address: &str, path: &str, accept: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|l| l.strip_prefix(series));
    let line = line.unwrap_or_else(|| panic!("no {series} in\n{text}"));
    line.trim().parse().unwrap()
}

#[test]
fn the_figures_of_a_run_are_offered_while_it_goes_on() {
    let system = SmallSystem::start();
    system.behaviour.tells_lag.store(true, Ordering::SeqCst);
    let run = Loadgen::scenario(&open(100, "60s", ""))
        .target(&system)
        .arguments(&["--metrics-listen", "127.0.0.1:0"]);
    let mut child = run.start();
    let address = address(&mut child);

    let count = "loadgen_response_time_seconds_count{step=\"get thing\"}";
    eventually("two seconds' figures", || {
        let text = get(&address, "/metrics");
        text.contains(count) && value(&text, count) > 150.0
    });
    system.behaviour.failing.store(true, Ordering::SeqCst);
    let failed = "loadgen_request_errors_total{step=\"get thing\"}";
    eventually("errors", || value(&get(&address, "/metrics"), failed) > 0.0);
    let text = get(&address, "/metrics");

    assert!(text.contains("content-type: text/plain; version=0.0.4"));
    let (_, exposition) = text.split_once("\r\n\r\n").unwrap();
    test_monitoring::accepts_metrics(exposition);
    test_monitoring::names_exist("loadgen", exposition);
    let open = get_as(&address, "/metrics", "application/openmetrics-text");
    assert!(open.contains("content-type: application/openmetrics-text"));
    assert!(open.trim_end().ends_with("# EOF"), "{open}");
    assert!(
        text.contains("loadgen_run_info{scenario=\"test\""),
        "{text}"
    );
    let infinite = "loadgen_response_time_seconds_bucket{le=\"+Inf\",step=\"get thing\"}";
    assert_eq!(value(&text, infinite), value(&text, count));
    assert!(
        value(
            &text,
            "loadgen_response_time_seconds_sum{step=\"get thing\"}"
        ) > 0.0
    );
    assert!(value(&text, "loadgen_schedule_slip_seconds_count") > 150.0);
    assert!(!text.contains("workload="), "{text}");
    assert!(value(&text, "loadgen_journeys_total{outcome=\"completed\"}") > 150.0);
    assert_eq!(
        value(&text, "loadgen_journeys_total{outcome=\"dropped\"}"),
        0.0
    );
    assert_eq!(value(&text, "loadgen_target_backlog{group=\"g\"}"), 0.0);
    assert!(value(&text, "loadgen_target_event_lag_p99_seconds{group=\"g\"}") > 0.0);
    assert!(
        text.contains("loadgen_errors_total{step=\"get thing\",kind="),
        "{text}"
    );
    assert!(get(&address, "/other").starts_with("HTTP/1.1 404"));
    signal(&child, "INT");
    child.wait().unwrap();
}

#[test]
fn each_of_several_workloads_is_offered_by_its_name() {
    let system = SmallSystem::start();
    let run = Loadgen::scenario(&two_workloads("60s", "60s"))
        .target(&system)
        .arguments(&["--metrics-listen", "127.0.0.1:0"]);
    let mut child = run.start();
    let address = address(&mut child);

    let slow = "loadgen_workload_response_time_seconds_count{workload=\"slow\"}";
    eventually("two seconds' figures", || {
        let text = get(&address, "/metrics");
        text.contains(slow) && value(&text, slow) >= 20.0
    });
    let text = get(&address, "/metrics");
    signal(&child, "INT");
    child.wait().unwrap();

    let (_, exposition) = text.split_once("\r\n\r\n").unwrap();
    test_monitoring::accepts_metrics(exposition);
    for series in [
        "loadgen_journeys_started_total",
        "loadgen_schedule_slip_seconds_count",
        "loadgen_workload_response_time_seconds_count",
    ] {
        let of = |workload: &str| value(&text, &format!("{series}{{workload=\"{workload}\"}}"));
        assert!(of("fast") > of("slow") && of("slow") >= 20.0, "{text}");
        // No total beside them: a sum over the label is the run.
        assert!(!text.contains(&format!("\n{series} ")), "{text}");
    }
    let dropped = "loadgen_journeys_total{workload=\"fast\",outcome=\"dropped\"}";
    assert_eq!(value(&text, dropped), 0.0);
}

#[test]
fn an_address_in_use_is_refused_before_anything_is_driven() {
    let system = SmallSystem::start();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = Loadgen::scenario(&open(10, "1s", ""))
        .target(&system)
        .arguments(&["--metrics-listen", &address])
        .run();
    assert_eq!(ended.code, 2);
    let expected = format!("--metrics-listen {address}");
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    assert!(ended.stderr.contains("free port"), "{}", ended.stderr);
    assert_eq!(system.requests(), 0);
}
