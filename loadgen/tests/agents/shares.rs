//! Agents together do what one generator does.

use loadgen::agents::AgentsOptions;
use serde_json::Value;

use crate::agent::{Agent, addresses};
use crate::held::held;
use crate::program::{Loadgen, ROOM, SmallSystem};
use crate::service::{Folder, Service};
use crate::{gets, numbered};

/// Two kinds of journeys at random times, whose requests show what each has drawn.
fn drawing() -> String {
    format!(
        r#"name = "t"
description = "d"
audit = false
{ROOM}
[workload]
kind = "open"
rate = 150.0
duration = "2s"
arrivals = "poisson"
[[setup]]
name = "make"
repeat = 7
request = {{ method = "POST", path = "/made" }}
extract = {{ id = "/id" }}
list = "made"
[[feeders]]
name = "row"
csv = "rows.csv"
pick = "sequential"
[[feeders]]
name = "thing"
list = "made"
pick = "random"
[[journeys]]
name = "a"
weight = 3
[[journeys.steps]]
name = "get a"
request = {{ method = "GET", path = "/a/{{{{row.n}}}}/{{{{thing.id}}}}/{{{{random:1:1000000}}}}/{{{{env.WHO}}}}" }}
[[journeys]]
name = "b"
[[journeys.steps]]
name = "get b"
request = {{ method = "GET", path = "/b/{{{{row.n}}}}/{{{{random:1:1000000}}}}" }}
"#
    )
}

fn run(service: &Service, more: &[&str]) -> (Value, Vec<String>) {
    let rows: String = (0..1_000).map(|n| format!("{n}\n")).collect();
    let folder = Folder::new()
        .with("t.toml", &drawing())
        .with("rows.csv", &format!("n\n{rows}"));
    let run = ["run", "t.toml", "--target", &service.url, "--out", "out"];
    let seeded = [&run[..], &["--seed", "7", "--rate", "200"], more].concat();
    let ended = folder.loadgen_with(&[("WHO", "ann")], &seeded);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let mut lines: Vec<String> = service.asked().iter().map(|a| a.line()).collect();
    lines.sort();
    (folder.report(), lines)
}

#[test]
fn two_agents_send_exactly_the_requests_that_one_generator_sends() {
    let (alone, together) = (numbered(), numbered());
    let agents = [Agent::start(), Agent::start()];
    let given = addresses(&[&agents[0], &agents[1]]);

    let (one, of_one) = run(&alone, &[]);
    let (both, of_both) = run(&together, &["--agents", &given, "--drivers", "2"]);

    assert_eq!(of_one, of_both);
    assert!(of_one.len() > 300, "{}", of_one.len());
    assert!(of_one.iter().any(|line| line.ends_with("/ann")));
    for figure in [
        "/journeys/started",
        "/journeys/completed",
        "/steps/0/count",
        "/steps/1/count",
        "/steps/0/response_time_us/count",
        "/all_steps/service_time_us/count",
        "/generator/schedule_slip_us/count",
    ] {
        let of = |report: &Value| report.pointer(figure).unwrap().as_u64().unwrap();
        assert_eq!(of(&one), of(&both), "{figure}");
    }
    let started = |report: &Value| -> u64 {
        let points = report["series"]["points"].as_array().unwrap().iter();
        points.map(|p| p["started"].as_u64().unwrap()).sum()
    };
    assert_eq!(started(&one), started(&both));
    // Arrival k is sent by agent k mod 2, whatever their drivers.
    let rows = both["agents"].as_array().unwrap();
    let each: Vec<u64> = rows
        .iter()
        .map(|a| a["journeys"]["started"].as_u64().unwrap())
        .collect();
    assert_eq!(each.iter().sum::<u64>(), started(&both));
    assert!(each[0] - each[1] <= 1, "{each:?}");
    for (row, agent) in rows.iter().zip(&agents) {
        assert_eq!(row["address"], agent.address.as_str());
        assert_eq!(
            row["generator"]["drivers_cpu_pct"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        // They are on this machine, so that the clocks can't differ by more than they are measured to.
        let ahead = row["clock_ahead_us"].as_i64().unwrap().unsigned_abs();
        let error = row["clock_error_us"].as_u64().unwrap();
        assert!(ahead <= error + 1_000, "{row}");
    }
    let processes = both["series"]["processes"].to_string();
    assert!(
        processes.contains(&format!("agent {}", agents[1].address)),
        "{processes}"
    );
    assert!(one.get("agents").is_none());
}

#[test]
fn users_are_shared_and_no_value_is_used_twice() {
    let service = Service::start(|_| (200, "{}".into()));
    let items: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    let text = format!(
        r#"name = "t"
description = "d"
{ROOM}
[workload]
kind = "closed"
users = 5
duration = "30s"
[[feeders]]
name = "n"
items = [{}]
pick = "sequential"
at_end = "stop"
[[journeys]]
name = "j"
[[journeys.steps]]
name = "get"
request = {{ method = "GET", path = "/n/{{{{n}}}}" }}
"#,
        items.join(", ")
    );
    let folder = Folder::new().with("t.toml", &text);
    let (one, other) = (Agent::start(), Agent::start());

    let given = addresses(&[&one, &other]);
    let ended = folder.run("t.toml", &service, &["--agents", &given]);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let mut seen: Vec<String> = service.asked().iter().map(|a| a.path.clone()).collect();
    seen.sort();
    let mut all: Vec<String> = (0..60).map(|n| format!("/n/{n}")).collect();
    all.sort();
    assert_eq!(seen, all);
    let report = folder.report();
    for agent in report["agents"].as_array().unwrap() {
        assert!(
            agent["journeys"]["completed"].as_u64().unwrap() >= 29,
            "{agent}"
        );
    }
}

#[test]
fn each_agent_follows_the_feed_and_no_state_is_missed() {
    let system = SmallSystem::start();
    let text = format!(
        r#"name = "test"
description = "things"
audit = false
{ROOM}
[workload]
kind = "open"
rate = 60.0
duration = "2s"
[[journeys]]
name = "thing"
[[journeys.steps]]
name = "create"
request = {{ method = "POST", path = "/thing", body = {{ a = 1 }} }}
extract = {{ id = "/result/0" }}
[[journeys.steps]]
await = {{ topic = "thing", name = "READY", id = "{{{{id}}}}", where = {{ "/status" = "READY" }}, since = "create" }}
"#
    );
    let (one, other) = (Agent::start(), Agent::start());
    let given = addresses(&[&one, &other]);
    let ended = Loadgen::scenario(&text)
        .target(&system)
        .arguments(&["--agents", &given])
        .run();
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let report = ended.report();
    assert_eq!(report["end_to_end"][0]["count"], 120, "{report:#}");
    assert_eq!(report["end_to_end"][0]["timeouts"], 0);
}

#[test]
fn one_run_after_the_other_and_a_second_one_meanwhile_is_told_who_uses_the_agent() {
    let service = numbered();
    let agent = Agent::start();
    let long = gets("60s");
    let arguments = ["--target", &service.url, "--agents", &agent.address];
    let run = ["run", "t.toml", "--out", "out"];
    let first = long.start(&[&run[..], &arguments].concat());
    agent.says("in use by 127.0.0.1:", 1);

    let refused = gets("1s").loadgen(&[&run[..], &arguments].concat());

    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let said = format!("the agent {}: 127.0.0.1:", agent.address);
    assert!(refused.stderr.contains(&said), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("uses it; an agent carries out one"),
        "{}",
        refused.stderr
    );

    while service.asked().is_empty() {
        std::thread::yield_now();
    }
    crate::program::signal(&first, "INT");
    let ended = crate::service::ended(first.wait_with_output().unwrap());
    assert_eq!(ended.code, 4, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(long.report()["verdict"]["result"], "INTERRUPTED");
    agent.says("free again", 1);
    let next = gets("1s").loadgen(&[&run[..], &arguments].concat());
    assert_eq!(next.code, 0, "{}{}", next.stdout, next.stderr);
}

#[test]
fn a_held_ramp_keeps_its_rate_and_then_goes_on_at_all_agents_alike() {
    let system = SmallSystem::start();
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "name = \"t\"\ndescription = \"d\"\naudit = false\n{ROOM}[workload]\nkind = \"open\"\nstages = [{{ duration = \"5s\", from = 0.0, to = 300.0 }}]\n[[journeys]]\nname = \"j\"\nsteps = [{{ name = \"get\", request = {{ method = \"GET\", path = \"/thing\" }} }}]\n"
    );
    let (one, other) = (Agent::start(), Agent::start());
    let agents = AgentsOptions {
        addresses: vec![one.address.clone(), other.address.clone()],
        token: None,
        tls: None,
    };

    let (report, told) = held(&text, &system.url, Some(agents), folder.path());

    assert_eq!(told[1], "went on, 3", "{told:?}");
    let hold = &report.holds[0];
    // The ramp has 750 journeys; those of the hold come in between.
    let expected = 750.0 + hold.rate_per_s * (hold.until_s - hold.from_s);
    let started = report.journeys.started as f64;
    assert!((started - expected).abs() <= 2.0, "{started} of {expected}");
    assert_eq!(system.requests() as f64, started);
    assert_eq!((report.journeys.dropped, report.journeys.unsent), (0, 0));
}
