//! Faults of a scenario: carried out on the real system at their time, marked in every plot over time, and refused if they can't be done.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "support/program.rs"]
mod support;

use serde_json::Value;
use support::shop::ordershop;
use support::{Ended, Loadgen, SmallSystem, eventually, open, signal};

/// Limits that a busy machine does not reach.
const LIMITS: &str =
    "[limits]\nslip_p99_max = \"1m\"\nloop_stall_p99_max = \"1m\"\ncpu_pct_max = 1000.0\n";

/// Checkouts of a small shop, with limits that a busy machine does not reach.
fn checkout(workload: &str, fault: &str) -> String {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../scenarios/outage.toml"
    ));
    let text = text.unwrap();
    let (head, tail) = text.split_once("[workload]").unwrap();
    let (_, tail) = tail.split_once("[[setup]]").unwrap();
    let head = head.replace("products = 50", "products = 5");
    format!("{head}[workload]\nkind = \"open\"\n{workload}\n{LIMITS}{fault}\n[[setup]]{tail}")
}

fn on_the_system(scenario: &str, more: &[&str]) -> Ended {
    let program = ordershop();
    let program = ["--system-bin", program.to_str().unwrap()];
    let run = Loadgen::scenario(scenario).arguments(&program);
    run.arguments(more).run()
}

fn passed(ended: &Ended) -> Value {
    let report = ended.report();
    let verdict = &report["verdict"];
    let checks = report["audit"]["checks"].as_array();
    assert!(checks.is_some_and(|checks| !checks.is_empty()), "no audit");
    assert_eq!(verdict["result"], "PASS", "{verdict}\n{}", ended.stderr);
    report
}

#[test]
fn a_paused_redis_is_felt_until_it_goes_on_and_nothing_is_lost() {
    let fault = "[[faults]]\nat = \"3s\"\npause = \"redis\"\nfor = \"1s\"\n";
    let workload = "rate = 20.0\nduration = \"7s\"\nwarm_up = \"1s\"";
    let ended = on_the_system(&checkout(workload, fault), &[]);
    let report = passed(&ended);
    let fault = &report["faults"][0];
    assert_eq!(fault["what"], "pause redis for 1s");
    let (at, until) = (
        fault["at_s"].as_f64().unwrap(),
        fault["until_s"].as_f64().unwrap(),
    );
    assert!(at >= 3.0 && until - at >= 1.0, "{fault}");
    // A request sent during the pause waited for the rest of the second.
    let slowest = report["all_steps"]["service_time_us"]["max"]
        .as_f64()
        .unwrap();
    assert!(slowest > 800_000.0, "{slowest}");
    assert!(
        fault["worst_p99_us"].as_f64().unwrap() > 800_000.0,
        "{fault}"
    );
    let page = std::fs::read_to_string(ended.out.join("report.html")).unwrap();
    for plot in [
        "response-time",
        "throughput",
        "backlog",
        "in-flight",
        "cpu",
        "heat-map",
    ] {
        let (_, figure) = page.split_once(&format!("<figure id=\"{plot}\">")).unwrap();
        let (figure, _) = figure.split_once("</figure>").unwrap();
        assert!(figure.contains("fill=\"#FBE3DD\""), "{plot}: no band");
        assert!(
            figure.contains("\npause redis for 1s</title>"),
            "{plot}: no tooltip"
        );
    }
    let summary = std::fs::read_to_string(ended.out.join("summary.md")).unwrap();
    assert!(
        summary
            .lines()
            .any(|line| line.starts_with("| pause redis for 1s |") && line.contains(" 3.")),
        "{summary}"
    );
    assert!(
        ended.stderr.contains("fault: pause redis for 1s\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_killed_service_is_started_again_by_its_supervisor_and_nothing_is_lost() {
    let fault = "[[faults]]\nat = \"1s\"\nkill = \"order-service\"\n";
    let ended = on_the_system(
        &checkout("rate = 10.0\nduration = \"3s\"", fault),
        &["--processes"],
    );
    let report = passed(&ended);
    let fault = &report["faults"][0];
    assert_eq!(fault["what"], "kill order-service");
    assert!(
        fault["until_s"].as_f64() > fault["at_s"].as_f64(),
        "{fault}"
    );
    assert_eq!(fault["problem"], Value::Null);
    let log = std::fs::read_to_string(ended.out.join("ordershop.log")).unwrap();
    assert!(log.contains("it is started again"), "{log}");
}

#[test]
fn what_is_paused_goes_on_at_once_when_the_run_is_stopped() {
    let fault = "[[faults]]\nat = \"1s\"\npause = \"system\"\nfor = \"5m\"\n";
    let program = ordershop();
    let run = Loadgen::scenario(&checkout("rate = 10.0\nduration = \"10m\"", fault)).arguments(&[
        "--system-bin",
        program.to_str().unwrap(),
        "--no-audit",
    ]);
    let mut child = run.start();
    let told = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut told = std::io::BufRead::lines(told).map(Result::unwrap);
    assert!(
        told.any(
            |line| line == "fault: pause system for 5m" || line == "fault: pause system for 300s"
        )
    );
    signal(&child, "INT");
    let rest: Vec<String> = told.collect();
    let ended = run.ended(child.wait_with_output().unwrap());
    let fault = &ended.report()["faults"][0];
    assert!(
        fault["until_s"].as_f64().unwrap() < 60.0,
        "{fault}\n{rest:?}"
    );
    let report = ended.report();
    assert_eq!(report["journeys"]["failed"], 0, "{:#}", report["errors"]);
}

#[test]
fn a_command_is_run_at_its_time_with_the_targets_url() {
    let system = SmallSystem::start();
    let fault = "[[faults]]\nat = \"500ms\"\nrun = \"echo $LOADGEN_TARGET > told\"\n";
    let ended = Loadgen::scenario(&open(20, "1s", fault)).target(&system);
    let folder = ended.folder.path().to_owned();
    let child = ended.start();
    eventually("the command", || folder.join("told").is_file());
    let ended = ended.ended(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let told = std::fs::read_to_string(folder.join("told")).unwrap();
    assert_eq!(told.trim(), system.url);
    assert_eq!(
        ended.report()["faults"][0]["what"],
        "run echo $LOADGEN_TARGET > told"
    );
}

#[test]
fn a_run_whose_fault_could_not_be_done_is_invalid_and_says_why() {
    let system = SmallSystem::start();
    let fault = "[[faults]]\nat = \"500ms\"\nrun = \"echo no such pump >&2; exit 7\"\n";
    let ended = Loadgen::scenario(&open(20, "60s", fault))
        .target(&system)
        .run();
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let reason = ended.report()["verdict"]["reasons"].to_string();
    assert!(reason.contains("exit status: 7: no such pump"), "{reason}");
}

#[test]
fn a_fault_that_cannot_be_done_is_refused_before_anything_is_measured() {
    let system = SmallSystem::start();
    let rows = [
        (
            "at = \"1s\"\npause = \"redis\"\nfor = \"1s\"",
            "2s",
            &[][..],
            "was not started by loadgen",
        ),
        (
            "at = \"2s\"\nrun = \"true\"",
            "2s",
            &[],
            "after the workload's end",
        ),
        (
            "at = \"1s\"\nrun = \"true\"",
            "2s",
            &["--duration", "1s"],
            "after the workload's end",
        ),
        (
            "at = \"1s\"\nkill = \"redis\"",
            "2s",
            &[],
            "was not started by loadgen",
        ),
        (
            "at = \"1s\"\nkill = \"service\"",
            "2s",
            &[],
            "only `chaos` draws a service by lot",
        ),
        (
            "at = \"1s\"\nnetwork = \"delay\"\nfor = \"1s\"",
            "2s",
            &[],
            "a delay needs its length",
        ),
        (
            "pause = \"redis\"\nfor = \"1s\"",
            "2s",
            &[],
            "a fault needs its time",
        ),
        (
            "at = \"1s\"\npause = \"redis\"",
            "2s",
            &[],
            "a pause needs its length",
        ),
        (
            "at = \"1s\"\nrun = \"true\"\nkill = \"x\"",
            "2s",
            &[],
            "exactly one of",
        ),
        (
            "at = \"1s\"\nstop = \"redis\"",
            "2s",
            &[],
            "unknown field `stop`",
        ),
    ];
    for (fault, duration, more, expected) in rows {
        let scenario = open(20, duration, &format!("[[faults]]\n{fault}\n"));
        let run = Loadgen::scenario(&scenario).target(&system).arguments(more);
        let ended = run.run();
        assert_eq!(ended.code, 2, "{fault}: {}", ended.stderr);
        let said = ended
            .stderr
            .split_whitespace()
            .filter(|word| *word != "│") // A long message is wrapped.
            .collect::<Vec<_>>()
            .join(" ");
        assert!(said.contains(expected), "{fault}: {said}");
        assert!(said.contains("test.toml:"), "{fault}: where? {said}");
    }
    assert_eq!(system.requests(), 0);
}

#[test]
fn a_service_that_is_no_process_of_its_own_is_refused_with_what_there_is() {
    let fault = "[[faults]]\nat = \"1s\"\nkill = \"order-service\"\n";
    let ended = on_the_system(&checkout("rate = 10.0\nduration = \"3s\"", fault), &[]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("allowed: redis, system"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("test.toml:"), "{}", ended.stderr);
}

/// A short form of a chaos scenario: a slow machine keeps up with it, and each of its faults comes once.
fn chaos(name: &str, form: &[&str]) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/");
    let text = std::fs::read_to_string(format!("{folder}{name}.toml")).unwrap();
    let text = text
        .replace("rate = 100.0", "rate = 10.0")
        .replace("products = 50", "products = 5")
        .replace("every = \"9s\"", "every = \"6s\"")
        .replace("from = \"5s\"", "from = \"2s\"")
        .replace("duration = \"60s\"", "duration = \"20s\"")
        .replace("[limits]\n", LIMITS);
    let report = passed(&on_the_system(&text, form));
    let faults = report["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 3, "{faults:?}");
    for fault in faults {
        assert_eq!(fault["problem"], Value::Null, "{fault}");
        assert!(
            fault["until_s"].as_f64() > fault["at_s"].as_f64(),
            "{fault}"
        );
    }
    report
}

#[test]
fn services_that_are_killed_and_paused_by_lot_lose_nothing_and_do_nothing_twice() {
    let report = chaos("chaos-services", &["--processes"]);
    let faults = report["faults"].as_array().unwrap();
    let kills = faults.iter().filter(|fault| {
        let what = fault["what"].as_str().unwrap();
        what.starts_with("kill ") && what != "kill system"
    });
    assert_eq!(kills.count(), 2, "{faults:?}");
}

#[test]
fn a_system_that_is_killed_is_started_again_and_loses_nothing() {
    let report = chaos("chaos-services", &[]);
    let faults = report["faults"].as_array().unwrap();
    let kills = faults.iter().filter(|fault| fault["what"] == "kill system");
    assert_eq!(kills.count(), 2, "{faults:?}");
}

#[test]
fn a_redis_that_is_killed_and_paused_by_lot_loses_nothing_that_was_answered() {
    let report = chaos("chaos-redis", &[]);
    let faults = report["faults"].as_array().unwrap();
    assert!(
        faults.iter().any(|fault| fault["what"] == "kill redis"),
        "{faults:?}"
    );
}

#[test]
fn a_network_that_is_cut_half_open_and_late_loses_nothing() {
    let report = chaos("chaos-network", &[]);
    // The Redis behind the proxy is the system's, too.
    let cpu = &report["resources"]["processes_cpu_us_per_journey"];
    assert!(cpu["redis-server"].is_number(), "{cpu}");
}

#[test]
fn a_network_of_processes_that_is_cut_half_open_and_late_loses_nothing() {
    chaos("chaos-network", &["--processes"]);
}
