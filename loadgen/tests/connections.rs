//! Connections: their number, requests that wait for one, and idle ones that the target closes.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "support/program.rs"]
mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use loadgen_engine::http_client::{
    ClientLimits, ConnectOptions, HttpClient, HttpError, Reply, Request, Target,
};
use support::{Loadgen, ROOM, SmallSystem, open};

const LIMITS: ClientLimits = ClientLimits {
    timeout: Duration::from_secs(5),
    response_bytes_max: 1 << 20,
    connections_max: 4,
};

/// Reads one request's head; `None` if the connection has ended.
fn request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

/// A server that offers keep-alive, answers one request on each connection, waits for the next one and then closes the connection.
/// Returns how many requests it has read.
fn hanging_up(connections: usize) -> (String, std::thread::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let mut read = 0;
        for stream in listener.incoming().take(connections) {
            let mut reader = BufReader::new(stream.unwrap());
            if request(&mut reader).is_some() {
                read += 1;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                reader.get_mut().write_all(answer).unwrap();
                read += usize::from(request(&mut reader).is_some());
            }
        }
        read
    });
    (url, serving)
}

async fn exchange(http: &HttpClient, method: &'static str) -> Result<Reply, HttpError> {
    let request = Request {
        method,
        ..Request::get("/")
    };
    http.turn().await.send(&request).await
}

#[tokio::test]
async fn a_get_on_a_connection_that_the_target_hangs_up_is_sent_again() {
    let (url, serving) = hanging_up(2);
    let target = Target::resolve(&url, &ConnectOptions::default())
        .await
        .unwrap();
    let http = HttpClient::new(target, LIMITS);
    assert_eq!(exchange(&http, "GET").await.unwrap().status, 200);
    assert_eq!(exchange(&http, "GET").await.unwrap().status, 200);
    drop(http);
    assert_eq!(serving.join().unwrap(), 3, "the second one came twice");
}

/// A server that reads every request, and hangs up instead of answering each `every`th that comes on a kept connection.
fn dropping(every: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let reused = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let reused = reused.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.unwrap());
                let mut is_new = true;
                while request(&mut reader).is_some() {
                    if !is_new && reused.fetch_add(1, Ordering::SeqCst) % every == every - 1 {
                        return;
                    }
                    is_new = false;
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    reader.get_mut().write_all(answer).unwrap();
                }
            });
        }
    });
    url
}

#[test]
fn many_requests_that_are_sent_once_more_are_warned_of() {
    let text = open(100, "1s", ROOM).replace("expect = { exist = [\"/result/entity_id\"] }", "");
    for (every, is_told) in [(10, true), (1_000, false)] {
        let url = dropping(every);
        let ended = Loadgen::scenario(&text)
            .arguments(&["--target", &url])
            .run();

        let report = ended.report();
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
        assert_eq!(report["all_steps"]["errors"], 0, "as before");
        let told = format!("{} of 1", report["http"]["repeated"]);
        let summary = std::fs::read_to_string(ended.out.join("summary.md")).unwrap();
        for place in [&report["warnings"].to_string(), &summary, &ended.stdout] {
            let says = |words: &str| place.contains(words);
            assert_eq!(says("were sent once more, because"), is_told, "{place}");
            assert!(says(&told) || !is_told, "{told}: {place}");
            assert_eq!(says("keep_alive = false"), is_told, "{place}");
        }
    }
}

#[tokio::test]
async fn a_post_that_the_target_may_have_carried_out_is_never_sent_again() {
    let (url, serving) = hanging_up(1);
    let target = Target::resolve(&url, &ConnectOptions::default())
        .await
        .unwrap();
    let http = HttpClient::new(target, LIMITS);
    assert_eq!(exchange(&http, "POST").await.unwrap().status, 200);
    let second = exchange(&http, "POST").await;
    assert!(
        matches!(second, Err(HttpError::ConnectionLost(_))),
        "{second:?}"
    );
    assert_eq!(serving.join().unwrap(), 2);
}

#[test]
fn requests_beyond_the_connections_wait_and_that_is_response_time_but_not_service_time() {
    let system = SmallSystem::start();
    system.behaviour.delay_ms.store(20, Ordering::SeqCst);
    // 2 connections carry at most 100 requests a second; 150 arrive in the first second, so the last one waits for half a second.
    let limits = "[limits]\nconnections_max = 2\ndropped_pct_max = 100.0\n";
    let report = Loadgen::scenario(&open(150, "1s", limits))
        .target(&system)
        .run()
        .report();
    assert_eq!(report["journeys"]["completed"], 150);
    // Two carry the load, two asked for metrics and health side by side, and one was the check that the target can be reached.
    assert!(system.behaviour.connections.load(Ordering::SeqCst) <= 5);
    let p90 = |of: &str| report["steps"][0][of]["p90"].as_f64().unwrap();
    let (response, service) = (p90("response_time_us"), p90("service_time_us"));
    assert!(response > 300_000.0, "response p90 {response} µs");
    assert!(service < 150_000.0, "service p90 {service} µs");
    let slip = report["generator"]["schedule_slip_us"]["p50"].as_f64();
    assert!(
        slip.unwrap() < 50_000.0,
        "waiting for a connection is no slip: {slip:?} µs"
    );
}

/// A server that answers POSTs by this script, a status each, 0 for hanging up; and 404 to everything else. A 429 asks for a pause of 2 s. Tells the head of each POST.
fn scripted(statuses: Vec<u16>) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = std::sync::mpsc::channel();
    let script = std::sync::Arc::new(std::sync::Mutex::new(statuses.into_iter()));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (tell, script) = (tell.clone(), script.clone());
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.unwrap());
                while let Some(head) = request(&mut reader) {
                    let mut status = 404;
                    if head.starts_with("POST") {
                        std::io::Read::read_exact(&mut reader, &mut [0; 2]).unwrap();
                        status = script.lock().unwrap().next().unwrap_or(500);
                        tell.send(head).unwrap();
                    }
                    if status == 0 {
                        return;
                    }
                    let pause = if status == 429 {
                        "retry-after: 2\r\n"
                    } else {
                        ""
                    };
                    let answer =
                        format!("HTTP/1.1 {status} Said\r\n{pause}content-length: 0\r\n\r\n");
                    reader.get_mut().write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    (url, told)
}

#[test]
fn a_request_without_an_outcome_is_repeated_with_its_key_where_the_scenario_says_so() {
    let (url, told) = scripted(vec![503, 0, 504, 429, 200]);
    let scenario = r#"name = "test"
description = "a POST that is repeated"
audit = false
[workload]
kind = "open"
rate = 1.0
duration = "1s"
idempotency_keys = true
[[journeys]]
name = "create"
[[journeys.steps]]
name = "create"
request = { method = "POST", path = "/thing", text = "{}", retry = "60s" }
"#;
    let run = Loadgen::scenario(scenario).arguments(&["--target", &url]);
    let report = run.run().report();
    assert_eq!(report["journeys"]["completed"], 1, "{:#}", report["errors"]);
    let key = |head: String| {
        let mut lines = head.lines();
        lines.find_map(|line| line.strip_prefix("idempotency-key: ").map(str::to_owned))
    };
    let keys: Vec<Option<String>> = told.try_iter().map(key).collect();
    assert_eq!(keys.len(), 5, "{keys:?}");
    assert!(
        keys[0].as_ref().is_some_and(|key| key.len() == 32),
        "{keys:?}"
    );
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    let least = report["steps"][0]["response_time_us"]["max"].as_f64();
    assert!(least > Some(2_600_000.0), "{least:?} us, pauses included");
}
