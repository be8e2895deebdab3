//! A target or a proxy that takes the connection and then says nothing.

use super::raw_server::RawServer;
use super::scenario::{get, scenario};
use super::support::{Loadgen, eventually, signal};

fn silent() -> RawServer {
    RawServer::start(|talk| while talk.read(1_000) > 0 {})
}

fn run(arguments: &[&str]) -> Loadgen {
    Loadgen::scenario(&scenario("", &get("/", ""))).arguments(arguments)
}

#[test]
fn a_run_whose_first_connection_gets_no_answer_is_refused_in_time() {
    let server = silent();
    let https = server.url.replace("http:", "https:");
    let socks = server.url.replace("http:", "socks5:");
    let started = [
        (vec!["--target", &https], "no connection with TLS"),
        (
            vec!["--target", "https://a.example", "--proxy", &server.url],
            "no connection through the proxy http://127.0.0.1:",
        ),
        (
            vec!["--target", "http://a.example", "--proxy", &socks],
            "no connection through the proxy socks5://127.0.0.1:",
        ),
    ]
    .map(|(arguments, problem)| {
        // Bounded, so that a run that hangs fails the test.
        let run = run(&arguments).through(&["timeout", "--signal=KILL", "30"]);
        let child = run.start();
        (run, child, problem)
    });
    for (run, child, problem) in started {
        let ended = run.ended(child.wait_with_output().unwrap());
        assert_eq!(ended.code, 2, "{problem}: {}", ended.stderr);
        assert!(ended.stderr.contains(problem), "{}", ended.stderr);
        assert!(ended.stderr.contains("within 10 s"), "{}", ended.stderr);
    }
}

#[test]
fn ctrl_c_before_the_start_ends_a_run_whose_target_does_not_answer() {
    for tls in [true, false] {
        let server = silent();
        let url = match tls {
            true => server.url.replace("http:", "https:"),
            false => server.url.clone(),
        };
        let run = run(&["--target", &url]);
        let mut child = run.start();
        eventually("a connection", || server.connections() > 0);
        signal(&child, "INT");
        eventually("the end", || child.try_wait().unwrap().is_some());
        let ended = run.ended(child.wait_with_output().unwrap());
        assert_eq!(ended.code, 4, "{}", ended.stderr);
        let told = "stopped before the start";
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
    }
}
