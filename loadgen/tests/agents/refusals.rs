//! What can't work is told before anything is sent to the target, with the agent's address and what to do.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use crate::agent::{Agent, addresses};
use crate::service::{Folder, Service};
use crate::{gets, numbered};

/// Runs `t.toml` of the folder; the run is refused with this text, and the target sees nothing.
fn refused(folder: &Folder, service: &Service, arguments: &[&str], said: &[&str]) {
    let ended = folder.run("t.toml", service, arguments);
    assert_eq!(
        ended.code, 2,
        "{arguments:?}: {}{}",
        ended.stdout, ended.stderr
    );
    for text in said {
        let flat = ended.flat();
        assert!(flat.contains(text), "{arguments:?}: `{text}` in {flat}");
    }
    assert_eq!(service.asked().len(), 0, "{arguments:?}");
}

/// Listens, and answers whoever says something with this line.
pub fn answering(line: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            reader.read_line(&mut String::new()).unwrap();
            reader.get_mut().write_all(line.as_bytes()).unwrap();
            // Until the other side has read it and gone.
            reader.read_line(&mut String::new()).ok();
        }
    });
    address
}

#[test]
fn what_is_no_agent_or_another_version_is_refused() {
    let service = numbered();
    let agent = Agent::start();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap().to_string();
    drop(free);
    let other = answering("{\"agent\":{\"version\":\"99.9.9\"}}\n");
    let odd = answering("220 mail.example.org ESMTP\r\n");
    let http = service.url.strip_prefix("http://").unwrap().to_owned();
    let version = env!("CARGO_PKG_VERSION");
    for (address, said) in [
        (
            &nobody,
            vec!["it can't be reached", "is `loadgen agent --listen"],
        ),
        (
            &other,
            vec!["it is loadgen 99.9.9 and this is loadgen", version],
        ),
        (
            &odd,
            vec!["it is no loadgen agent: it said `220 mail.example.org ESMTP`"],
        ),
        (
            &http,
            vec!["it is no loadgen agent: it said `HTTP/1.1 400 Bad Request`"],
        ),
    ] {
        let given = format!("{},{address}", agent.address);
        let named = format!("the agent {address}: ");
        let said = [vec![named.as_str()], said].concat();
        refused(&gets("1s"), &service, &["--agents", &given], &said);
    }
    // The good one was let go each time.
    let ended = gets("1s").run("t.toml", &service, &["--agents", &agent.address]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn an_agent_refuses_a_run_of_another_version_and_who_is_no_run() {
    let agent = Agent::start();
    let says = |line: &str| {
        let mut stream = TcpStream::connect(&agent.address).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        let answers = BufReader::new(stream).lines();
        answers.map_while(Result::ok).collect::<Vec<_>>().join("\n")
    };
    let answer = says("{\"hello\":{\"version\":\"99.9.9\"}}\n");
    assert!(answer.contains("{\"agent\":{\"version\":"), "{answer}");
    assert!(answer.contains("the run's is 99.9.9"), "{answer}");
    let answer = says("GET / HTTP/1.1\r\n\r\n");
    assert!(answer.contains("this is an agent of loadgen"), "{answer}");
}

#[test]
fn an_agent_that_cant_reach_the_target_is_named() {
    let service = numbered();
    let (good, cut_off) = (
        Agent::start(),
        Agent::with(&["--proxy", "http://127.0.0.1:1"]),
    );
    let given = addresses(&[&good, &cut_off]);
    let named = format!("the agent {}: the target", cut_off.address);
    let said = [named.as_str(), "can't be reached"];
    refused(&gets("1s"), &service, &["--agents", &given], &said);
}

#[test]
fn what_cant_be_shared_or_is_written_wrongly_is_refused() {
    let service = numbered();
    let (one, other) = (Agent::start(), Agent::start());
    let both = addresses(&[&one, &other]);
    let twice = format!("{0},{0}", one.address);
    for (arguments, said) in [
        (vec!["--agents", twice.as_str()], "is given twice"),
        (vec!["--agents", "10.0.0.7"], "write HOST:PORT"),
        (vec!["--token-file", "x"], "--agents"),
        (
            vec!["--agents", both.as_str(), "--token-file", "none"],
            "--token-file none: ",
        ),
        (
            vec!["--agents", both.as_str(), "--ca", "t.toml"],
            "--ca t.toml: ",
        ),
        (
            vec!["--agents", both.as_str(), "--drivers", "10000"],
            "--drivers 10000: out of range",
        ),
    ] {
        refused(&gets("1s"), &service, &arguments, &[said]);
    }
    let shared = std::fs::read_to_string(gets("1s").0.path().join("t.toml")).unwrap()
        + "[[journeys.steps]]\nremember = { key = \"k\", value = \"1\" }\n";
    let folder = Folder::new().with("t.toml", &shared);
    refused(
        &folder,
        &service,
        &["--agents", &both],
        &["journeys depend on each other"],
    );

    let target = ["--target", &service.url, "--trace", "none.csv"];
    let replay =
        gets("1s").loadgen(&[&["run", "replay", "--agents", &one.address], &target[..]].concat());
    assert_eq!(replay.code, 2);
    assert!(
        replay.stderr.contains("recorded arrivals"),
        "{}",
        replay.stderr
    );
}
