//! A small system to drive: HTTP answers that can be slow or stall, and a live feed that can break. Things are created as in the real
//! one, but in memory.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

/// The feed's frames so far, in order, so that every connection can start anywhere.
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
    /// The metrics have an event lag: as many events as requests, of 1 to 10 ms.
    pub tells_lag: AtomicBool,
    /// `/health` is unknown while set.
    pub says_nothing: AtomicBool,
    /// The topic has two partitions: every other event is in number 1, whose positions are far behind those of number 0.
    pub is_split: AtomicBool,
    /// Answers to a POST have an `x-position`.
    pub tells_positions: AtomicBool,
    /// Things created.
    pub things: AtomicU64,
    /// Requests seen.
    pub requests: AtomicU64,
    /// Their paths, under /thing/.
    pub paths: Mutex<Vec<String>>,
    /// Each request's path, under /thing, and its `x-at-least`.
    pub at_least: Mutex<Vec<(String, Option<String>)>>,
    /// Connections accepted.
    pub connections: AtomicU64,
    /// The `traceparent` of each request.
    pub traceparents: Mutex<Vec<String>>,
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

impl Behaviour {
    /// The partition of the event of this number, and its position there.
    pub fn place(&self, sequence: u64) -> (&'static str, String) {
        match (self.is_split.load(Ordering::SeqCst), sequence % 2) {
            (false, _) => ("thing", format!("1-{sequence}")),
            (true, 0) => ("thing", format!("9-{sequence}")),
            (true, _) => ("thing.1", format!("1-{sequence}")),
        }
    }
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
        let (partition, position) = self.behaviour.place(sequence);
        told.frames.push((
            sequence,
            json!({"type": "applied", "positions": {partition: position}}),
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
                        // A client that does not trust the certificate closes the connection.
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

    pub fn traceparents(&self) -> Vec<String> {
        self.behaviour.traceparents.lock().unwrap().clone()
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
    if path == "/health" && shared.behaviour.says_nothing.load(Ordering::SeqCst) {
        return Ok(reply(404, json!({})));
    }
    if path == "/health" {
        return Ok(reply(
            200,
            json!({"version": "0.0.1", "profile": "debug", "options": {"threads": 3, "processes": false}, "redis": {"version": "7.0.0", "server": "redis", "durability": "none"}}),
        ));
    }
    if path == "/metrics" {
        let mut text = "ordershop_group_backlog{group=\"g\",topic=\"thing\"} 0\n".to_owned();
        if shared.behaviour.is_split.load(Ordering::SeqCst) {
            text += "ordershop_group_backlog{group=\"g\",topic=\"thing.1\"} 0\n";
        }
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
    if let Some(traceparent) = request.headers().get("traceparent") {
        let text = String::from_utf8_lossy(traceparent.as_bytes()).into_owned();
        behaviour.traceparents.lock().unwrap().push(text);
    }
    let at_least = request.headers().get("x-at-least");
    let at_least = at_least.map(|at| String::from_utf8_lossy(at.as_bytes()).into_owned());
    let asked = (path.clone(), at_least);
    behaviour.at_least.lock().unwrap().push(asked);
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
    // Not from the number of requests: two concurrent requests would read the same number.
    let id = format!("t{}", behaviour.things.fetch_add(1, Ordering::SeqCst));
    let sequence = shared.tell(|n| {
        let (partition, position) = behaviour.place(n);
        let mut event = json!({"topic": "thing", "action": "entity_created", "aggregate_id": id, "version": 1, "position": position,
            "data": {"entity_id": id, "status": "READY"}, "event_id": "e", "published_at_us": 1});
        if partition == "thing.1" {
            event["partition"] = json!(1);
        }
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
    let mut created = reply(200, json!({"result": [id]}));
    if behaviour.tells_positions.load(Ordering::SeqCst) {
        let (partition, position) = behaviour.place(sequence);
        let position = format!("{partition}={position}").parse().unwrap();
        created.headers_mut().insert("x-position", position);
    }
    Ok(created)
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
    // The number of the last event that the client has seen of each partition.
    let after = query.get("after").map_or("", String::as_str).split(',');
    let after: HashMap<String, u64> = after
        .filter_map(|known| {
            let (partition, position) = known.split_once('=')?;
            Some((partition.into(), position.split_once('-')?.1.parse().ok()?))
        })
        .collect();
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        let mut socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        let now = shared.told.lock().unwrap().sequence;
        let seen = |sequence: u64| {
            let (partition, _) = shared.behaviour.place(sequence);
            after.get(partition).copied().unwrap_or(now)
        };
        // One event of each partition; a topic of one has the same twice.
        let positions = [0, 1].map(|n| {
            let (partition, position) = shared.behaviour.place(n);
            let (ms, _) = position.split_once('-').unwrap();
            (partition.to_owned(), json!(format!("{ms}-{}", seen(n))))
        });
        let positions: serde_json::Map<String, Value> = positions.into_iter().collect();
        let hello = json!({"type": "hello", "positions": positions});
        socket.send(Message::text(hello.to_string())).await.ok();
        let mut news = shared.news.subscribe();
        let (mut next, mut events) = (0, 0);
        let breaks_after = shared.behaviour.feed_breaks_after.load(Ordering::SeqCst);
        loop {
            let frames: Vec<(u64, Value)> = shared.told.lock().unwrap().frames[next..].to_vec();
            next += frames.len();
            for (sequence, frame) in frames {
                let event = frame["type"] == "events";
                if event && sequence <= seen(sequence) {
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
