//! Agents that drive a system which is started here: where it listens, who can reach it, and whose CPU is measured where.

use std::net::TcpListener;

use serde_json::Value;

use crate::agent::{Agent, addresses};
use crate::gets;
use crate::program::shop::ordershop;
use crate::program::{Loadgen, Played};
use crate::service::Folder;

/// The three commands that start a system, with what each needs to start this one.
fn commands(system: &Played) -> [Vec<String>; 3] {
    let program = system.command.trim_end_matches(" up");
    [
        vec!["run", "t.toml", "--system-bin", program],
        vec!["capacity", "t.toml", "--system-bin", program],
        vec!["ab", "t.toml", "--null", "--a", &system.command],
    ]
    .map(|command| command.into_iter().map(str::to_owned).collect())
}

#[test]
fn agents_drive_a_system_that_is_started_here_and_each_cpu_is_measured_where_it_is_used() {
    let program = ordershop();
    let [one, other] = Agent::pair();
    let given = addresses(&[&one, &other]);
    // As an address of this machine that other machines reach.
    let listen = match TcpListener::bind(("127.0.0.4", 0)) {
        Ok(_) => "127.0.0.4",
        Err(_) => "127.0.0.1",
    };
    let room = crate::program::ROOM;
    let text = format!(
        "name = \"t\"\ndescription = \"d\"\n{room}[workload]\nkind = \"open\"\nrate = 50.0\nduration = \"4s\"\n[[journeys]]\nname = \"j\"\n[[journeys.steps]]\nname = \"create\"\nrequest = {{ method = \"POST\", path = \"/customer\", body = {{ name = \"Ada\", email = \"ada@example.com\" }} }}\n"
    );

    let ended = Loadgen::scenario(&text)
        .arguments(&["--system-bin", program.to_str().unwrap()])
        .arguments(&["--system-listen", listen, "--agents", &given])
        .run();

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let report = ended.report();
    let target = report["environment"]["target"].as_str().unwrap();
    assert!(target.starts_with(&format!("http://{listen}:")), "{target}");
    let started = report["agents"].as_array().unwrap().iter();
    let started: Vec<&Value> = started.map(|a| &a["journeys"]["started"]).collect();
    assert_eq!(started, [100, 100], "{report:#}");
    let measured = report["series"]["processes"].to_string();
    let agents = [&one, &other].map(|a| format!("agent {}", a.address));
    for process in ["ordershop", "-server", &agents[0], &agents[1]] {
        assert!(measured.contains(process), "{process}: {measured}");
    }
}

#[test]
fn the_system_listens_where_it_is_told_to_and_an_agent_elsewhere_is_refused_without() {
    let system = Played::start();
    for command in commands(&system) {
        let refused = |more: &[&str], said: &str| {
            let mut all: Vec<&str> = command.iter().map(String::as_str).collect();
            all.extend(more);
            let ended = gets("1s").loadgen(&all);
            assert_eq!(ended.code, 2, "{all:?}: {}", ended.stderr);
            assert!(ended.flat().contains(said), "{all:?}: {}", ended.stderr);
            assert_eq!(system.started(), 0, "{all:?}");
        };
        let elsewhere = ["--agents", "10.0.0.7:7070"];
        let said = "10.0.0.7:7070 can't reach a system that is started here, which listens on 127.0.0.1; give";
        refused(&elsewhere, said);
        let same = [&elsewhere[..], &["--system-listen", "::1"]].concat();
        refused(&same, "which listens on ::1; give");
        refused(&["--system-listen", "0.0.0.0"], "write the IP address");
        refused(&["--system-listen", "shop.example"], "write the IP address");
    }
    let there = [
        "--target",
        &system.system.url,
        "--system-listen",
        "10.0.0.7",
    ];
    let ended = gets("1s").loadgen(&[&["run", "t.toml"], &there[..]].concat());
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("--system-listen is for a system"),
        "{}",
        ended.stderr
    );

    let agent = Agent::start();
    let told = ["--system-listen", "192.0.2.7", "--agents", &agent.address];
    let command = &commands(&system)[0];
    let run: Vec<&str> = command.iter().map(String::as_str).chain(told).collect();
    let ended = gets("1s").loadgen(&run);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let arguments = std::fs::read_to_string(system.folder.path().join("arguments")).unwrap();
    assert!(arguments.contains("--listen 192.0.2.7:0"), "{arguments}");
}

#[test]
fn an_agent_that_can_t_be_taken_is_told_before_a_system_is_started_or_built() {
    let system = Played::start();
    let folder = Folder::new()
        .with("token", "s3cret")
        .with("other", "s3cred");
    let of = |name: &str| folder.0.path().join(name).to_str().unwrap().to_owned();
    let (token, other) = (of("token"), of("other"));
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap().to_string();
    drop(free);
    let stranger = crate::refusals::answering("{\"agent\":{\"version\":\"99.9.9\"}}\n");
    let (guarded, busy) = (Agent::with(&["--token-file", &token]), Agent::start());
    let long = gets("60s");
    let target = ["--target", &system.system.url, "--agents", &busy.address];
    let mut user = long.start(&[&["run", "t.toml"], &target[..]].concat());
    busy.says("in use by", 1);

    let of_a_revision = ["ab", "t.toml", "--null", "--a-rev", "HEAD"];
    let of_a_revision = of_a_revision.map(str::to_owned).to_vec();
    let commands = commands(&system).into_iter().chain([of_a_revision]);
    for command in commands {
        for (given, said) in [
            (vec![nobody.as_str()], "it can't be reached"),
            (vec![&stranger], "it is loadgen 99.9.9 and this is loadgen"),
            (vec![&busy.address], "uses it; an agent carries out one"),
            (vec![&guarded.address], "it asks for a token"),
            (
                vec![&guarded.address, "--token-file", &other],
                "the token is wrong",
            ),
        ] {
            let mut all: Vec<&str> = command.iter().map(String::as_str).collect();
            all.push("--agents");
            all.extend(&given);
            let ended = gets("1s").loadgen(&all);
            assert_eq!(ended.code, 2, "{all:?}: {}", ended.stderr);
            let named = format!("the agent {}: ", given[0]);
            for said in [named.as_str(), said] {
                assert!(ended.flat().contains(said), "{said}: {}", ended.stderr);
            }
            assert_eq!(system.started(), 0, "{all:?}");
        }
    }
    user.kill().unwrap();
    user.wait().unwrap();
}
