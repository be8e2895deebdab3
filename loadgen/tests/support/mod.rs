//! A small system to test against: HTTP answers that can be slow or stall, a live feed that can break, and the program itself as a
//! child process. Orders go their way as in the real one, but in memory.
#![allow(clippy::unwrap_used, dead_code)] // a test fails by panicking; not every test uses everything

pub mod shop;

use std::collections::HashMap;
use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::SinkExt;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// What the feed has told so far: frames in order, so that every connection can start where it wants.
#[derive(Default)]
struct Told {
    /// Sequence number of the event, or of the last event applied; and the frame.
    frames: Vec<(u64, Value)>,
    sequence: u64,
}

/// How the small system behaves.
#[derive(Default)]
pub struct Behaviour {
    /// Every answer takes this long, in ms.
    pub delay_ms: AtomicU64,
    /// No answer while set.
    pub stalled: AtomicBool,
    /// Answer 500 to everything under /thing.
    pub failing: AtomicBool,
    /// `applied` follows the event by this long, in ms.
    pub apply_delay_ms: AtomicU64,
    /// The event goes out this long before the answer to the POST, in ms.
    pub answer_delay_ms: AtomicU64,
    /// Feed connections are closed after this many events each; 0 = never.
    pub feed_breaks_after: AtomicU64,
    /// The metrics tell an event lag: as many events as requests, of 1 to 10 ms.
    pub tells_lag: AtomicBool,
    /// Things created.
    pub things: AtomicU64,
    /// Requests seen.
    pub requests: AtomicU64,
    /// Their paths, under /thing/.
    pub paths: Mutex<Vec<String>>,
    /// Connections accepted.
    pub connections: AtomicU64,
}

pub struct SmallSystem {
    pub url: String,
    pub behaviour: Arc<Behaviour>,
    told: Arc<Mutex<Told>>,
    _runtime: tokio::runtime::Runtime,
}

struct Shared {
    behaviour: Arc<Behaviour>,
    told: Arc<Mutex<Told>>,
    news: watch::Sender<u64>,
}

impl Shared {
    fn tell(&self, make: impl FnOnce(u64) -> Value) -> u64 {
        let mut told = self.told.lock().unwrap();
        told.sequence += 1;
        let sequence = told.sequence;
        told.frames.push((sequence, make(sequence)));
        self.news.send_replace(told.frames.len() as u64);
        sequence
    }

    fn applied(&self, sequence: u64) {
        let mut told = self.told.lock().unwrap();
        told.frames.push((
            sequence,
            json!({"type": "applied", "positions": {"thing": format!("1-{sequence}")}}),
        ));
        self.news.send_replace(told.frames.len() as u64);
    }
}

impl SmallSystem {
    pub fn start() -> Self {
        Self::listening(None)
    }

    /// With TLS, and this key and certificate.
    pub fn start_tls(config: rustls::ServerConfig) -> Self {
        Self::listening(Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn listening(tls: Option<TlsAcceptor>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let behaviour = Arc::new(Behaviour::default());
        let told = Arc::new(Mutex::new(Told::default()));
        let shared = Arc::new(Shared {
            behaviour: behaviour.clone(),
            told: told.clone(),
            news: watch::Sender::new(0),
        });
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (shared, tls) = (shared.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, shared).await,
                        // Whoever does not believe the certificate goes away.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, shared).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            url,
            behaviour,
            told,
            _runtime: runtime,
        }
    }

    pub fn requests(&self) -> u64 {
        self.behaviour.requests.load(Ordering::SeqCst)
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: Arc<Shared>) {
    shared.behaviour.connections.fetch_add(1, Ordering::SeqCst);
    let service = service_fn(move |request| answer(request, shared.clone()));
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await
        .ok();
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let reply = |status: u16, body: Value| {
        Response::builder()
            .status(status)
            .body(Full::from(body.to_string()))
            .unwrap()
    };
    let path = request.uri().path().to_owned();
    if path == "/events" {
        return Ok(feed(request, shared));
    }
    if path == "/health" {
        return Ok(reply(
            200,
            json!({"version": "0.0.1", "redis": {"version": "7.0.0", "server": "redis", "durability": "none"}}),
        ));
    }
    if path == "/metrics" {
        let mut text = "ordershop_group_backlog{group=\"g\",topic=\"thing\"} 0\n".to_owned();
        if shared.behaviour.tells_lag.load(Ordering::SeqCst) {
            let events = shared.behaviour.requests.load(Ordering::SeqCst);
            for (bound, count) in [("0.001", 0), ("0.01", events), ("+Inf", events)] {
                text += &format!(
                    "ordershop_event_lag_seconds_bucket{{group=\"g\",topic=\"thing\",le=\"{bound}\"}} {count}\n"
                );
            }
        }
        return Ok(Response::new(Full::from(text)));
    }
    let behaviour = &shared.behaviour;
    behaviour.requests.fetch_add(1, Ordering::SeqCst);
    if path.starts_with("/thing/") {
        behaviour.paths.lock().unwrap().push(path);
    }
    let post = request.method() == "POST";
    request.into_body().collect().await.ok();
    tokio::time::sleep(Duration::from_millis(
        behaviour.delay_ms.load(Ordering::SeqCst),
    ))
    .await;
    while behaviour.stalled.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    if behaviour.failing.load(Ordering::SeqCst) {
        return Ok(reply(500, json!({"error": "told to fail"})));
    }
    if !post {
        return Ok(reply(200, json!({"result": {"entity_id": "x"}})));
    }
    // Not from the number of requests: two that wait at once would read the same one.
    let id = format!("t{}", behaviour.things.fetch_add(1, Ordering::SeqCst));
    let sequence = shared.tell(|n| {
        let event = json!({"topic": "thing", "action": "entity_created", "aggregate_id": id, "version": 1, "position": format!("1-{n}"),
            "data": {"entity_id": id, "status": "READY"}, "event_id": "e", "published_at_us": 1});
        json!({"type": "events", "events": [event]})
    });
    let apply_delay = Duration::from_millis(behaviour.apply_delay_ms.load(Ordering::SeqCst));
    let applying = shared.clone();
    tokio::spawn(async move {
        tokio::time::sleep(apply_delay).await;
        applying.applied(sequence);
    });
    tokio::time::sleep(Duration::from_millis(
        behaviour.answer_delay_ms.load(Ordering::SeqCst),
    ))
    .await;
    Ok(reply(200, json!({"result": [id]})))
}

fn feed(request: Request<Incoming>, shared: Arc<Shared>) -> Response<Full<Bytes>> {
    let key = request
        .headers()
        .get(header::SEC_WEBSOCKET_KEY)
        .map(|k| derive_accept_key(k.as_bytes()))
        .unwrap();
    let query: HashMap<String, String> = request
        .uri()
        .query()
        .unwrap_or("")
        .split('&')
        .filter_map(|p| Some((p.split_once('=')?.0.into(), p.split_once('=')?.1.into())))
        .collect();
    let after: Option<u64> = query
        .get("after")
        .and_then(|a| a.strip_prefix("thing=")?.split_once('-')?.1.parse().ok());
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        let mut socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        let after = after.unwrap_or_else(|| shared.told.lock().unwrap().sequence);
        let hello = json!({"type": "hello", "positions": {"thing": format!("1-{after}")}});
        socket.send(Message::text(hello.to_string())).await.ok();
        let mut news = shared.news.subscribe();
        let (mut next, mut events) = (0, 0);
        let breaks_after = shared.behaviour.feed_breaks_after.load(Ordering::SeqCst);
        loop {
            let frames: Vec<(u64, Value)> = shared.told.lock().unwrap().frames[next..].to_vec();
            next += frames.len();
            for (sequence, frame) in frames {
                let event = frame["type"] == "events";
                if event && sequence <= after {
                    continue;
                }
                if event && breaks_after > 0 && events == breaks_after {
                    return;
                }
                events += u64::from(event);
                if socket.send(Message::text(frame.to_string())).await.is_err() {
                    return;
                }
            }
            if news.changed().await.is_err() {
                return;
            }
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, key)
        .body(Full::default())
        .unwrap()
}

/// A run of the program in a folder of its own.
pub struct Loadgen {
    pub folder: tempfile::TempDir,
    /// What starts it: the program itself, or one that runs it under conditions.
    program: Vec<String>,
    arguments: Vec<String>,
}

/// What a run left.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub out: PathBuf,
    _folder: tempfile::TempDir,
}

impl Ended {
    pub fn report(&self) -> Value {
        let text = std::fs::read_to_string(self.out.join("report.json"))
            .unwrap_or_else(|e| panic!("no report ({e}); stderr: {}", self.stderr));
        serde_json::from_str(&text).unwrap()
    }
}

impl Loadgen {
    /// With this scenario's text.
    pub fn scenario(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.toml");
        std::fs::write(&path, text).unwrap();
        let out = folder.path().join("out");
        let arguments = [
            "run",
            path.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ]
        .map(str::to_owned)
        .to_vec();
        Self {
            folder,
            program: vec![env!("CARGO_BIN_EXE_loadgen").into()],
            arguments,
        }
    }

    pub fn target(self, system: &SmallSystem) -> Self {
        self.arguments(&["--target", &system.url])
    }

    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|a| (*a).to_owned()));
        self
    }

    /// Runs it through another program, as in `nice -n 19`.
    pub fn through(mut self, wrapper: &[&str]) -> Self {
        self.program
            .splice(0..0, wrapper.iter().map(|w| (*w).to_owned()));
        self
    }

    pub fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// What starts it, with pipes for what it prints.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program[0]);
        command
            .args(&self.program[1..])
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn start(&self) -> Child {
        self.command().spawn().unwrap()
    }

    pub fn ended(self, output: Output) -> Ended {
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            out: self.out(),
            _folder: self.folder,
        }
    }

    pub fn run(self) -> Ended {
        let output = self.command().output().unwrap();
        self.ended(output)
    }
}

/// A program in the place of the system's that notes its arguments and its end in this folder, a line each time.
pub fn program(folder: &Path, body: &str) -> PathBuf {
    let path = folder.join("ordershop");
    let text = format!(
        "#!/bin/sh\ncd {}\necho \"$@\" >> arguments\n{body}\n",
        folder.display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Such a program's body: ready at once, somewhere else, until it is asked to stop.
pub fn waiting(url: &str) -> String {
    format!(
        "trap 'echo yes >> stopped; exit 0' TERM\necho 'a line of its log' >&2\necho 'ready: {url} (and more)'\nwhile :; do sleep 0.05; done"
    )
}

/// Waits for a condition, with a bound.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::yield_now();
    }
}

/// Sends a signal by name.
pub fn signal(child: &Child, name: &str) {
    assert!(
        Command::new("kill")
            .args([&format!("-{name}"), &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

pub fn exists(folder: &Path, name: &str) -> bool {
    folder.join(name).is_file()
}

/// An open workload of one GET. Without limits of its own it has ones that other tests on the same machine do not reach.
pub fn open(rate: u32, duration: &str, more: &str) -> String {
    let limits = match more.contains("[limits]") {
        true => "",
        false => "[limits]\nslip_p99_max = \"300ms\"\nloop_stall_p99_max = \"2s\"\n",
    };
    format!(
        r#"name = "test"
description = "one request"
{more}
[workload]
kind = "open"
rate = {rate}.0
duration = "{duration}"

[[journeys]]
name = "get"
[[journeys.steps]]
name = "get thing"
request = {{ method = "GET", path = "/thing" }}
expect = {{ exist = ["/result/entity_id"] }}
{limits}"#
    )
}
