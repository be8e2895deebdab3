//! HTTP/2: a target that ends its connections, in frames written by hand.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};

use futures_util::StreamExt;
use futures_util::future::select;
use futures_util::stream::FuturesUnordered;

use super::raw_server::{LIMITS, send};
use loadgen_engine::http_client::{
    ClientLimits, ClientOptions, ConnectOptions, HttpClient, Target,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;
/// `:status: 200` in HPACK's static table.
const STATUS_200: u8 = 0x88;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

fn answer(stream: u32) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, stream, &[STATUS_200]);
    [head, frame(DATA, END_STREAM, stream, b"ok")].concat()
}

/// A farewell without an error: all streams up to this one are answered.
fn go_away(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

/// The server's side of a connection.
struct Peer {
    stream: TcpStream,
    /// From 1.
    connection: usize,
}

impl Peer {
    fn open(mut stream: TcpStream, connection: usize) -> Self {
        stream.set_nodelay(true).unwrap();
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).unwrap();
        let mut peer = Self { stream, connection };
        peer.say(&frame(SETTINGS, 0, 0, &[]));
        peer
    }

    /// The stream of the next request; `None` if the client has gone.
    fn request(&mut self) -> Option<u32> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).ok()?;
            let [_, a, b, kind, flags, ..] = head;
            let [_, _, _, _, _, stream @ ..] = head;
            let mut payload = vec![0; usize::from(u16::from_be_bytes([a, b]))];
            self.stream.read_exact(&mut payload).ok()?;
            match kind {
                HEADERS => return Some(u32::from_be_bytes(stream)),
                SETTINGS if flags & ACK == 0 => self.say(&frame(SETTINGS, ACK, 0, &[])),
                _ => {}
            }
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        // The client may have gone already.
        self.stream.write_all(bytes).ok();
    }
}

/// Serves each connection in a thread of its own.
struct Server {
    url: String,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn start(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let (script, count) = (Arc::new(script), connections.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = count.fetch_add(1, Ordering::SeqCst) + 1;
                let (script, stream) = (script.clone(), stream.unwrap());
                std::thread::spawn(move || script(&mut Peer::open(stream, connection)));
            }
        });
        Self { url, connections }
    }

    async fn client(&self, connections_max: usize, streams_max: usize) -> HttpClient {
        let target = Target::resolve(&self.url, &ConnectOptions::default()).await;
        let limits = ClientLimits {
            connections_max,
            ..LIMITS
        };
        let options = ClientOptions {
            streams_per_connection: Some(streams_max),
            ..ClientOptions::default()
        };
        HttpClient::with(target.unwrap(), limits, options)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Farewell {
    Said,
    SaidAndClosed,
    Closed,
}

#[tokio::test]
async fn a_connection_that_the_target_ended_is_replaced() {
    for farewell in [Farewell::Said, Farewell::SaidAndClosed, Farewell::Closed] {
        let server = Server::start(move |peer| {
            peer.request();
            peer.say(&answer(1));
            peer.request();
            match farewell {
                Farewell::Closed => peer.say(&answer(3)),
                _ => peer.say(&[answer(3), go_away(3)].concat()),
            }
            if farewell != Farewell::Said {
                peer.stream.shutdown(Shutdown::Write).unwrap();
            }
            while peer.request().is_some() {}
        });
        let http = server.client(1, 10).await;
        for request in 1..=6 {
            let reply = send(&http, "GET", None).await;
            assert!(reply.is_ok(), "{farewell:?}, request {request}: {reply:?}");
        }
        let figures = http.figures();
        assert_eq!(figures.opened, 3, "{farewell:?}");
        assert_eq!(figures.requests, 6 + figures.repeated, "{farewell:?}");
        assert_eq!(server.connections(), 3, "{farewell:?}");
    }
}

#[tokio::test]
async fn what_is_in_flight_on_a_connection_with_a_farewell_is_still_answered_there() {
    let (later, ready) = mpsc::channel();
    let ready = Mutex::new(ready);
    let server = Server::start(move |peer| {
        if peer.connection == 1 {
            let (first, second) = (peer.request().unwrap(), peer.request().unwrap());
            peer.say(&[answer(first), go_away(second)].concat());
            // Once the next connection has been used.
            ready.lock().unwrap().recv().unwrap();
            peer.say(&answer(second));
        } else if let Some(stream) = peer.request() {
            peer.say(&answer(stream));
            later.send(()).unwrap();
        }
        while peer.request().is_some() {}
    });
    let http = server.client(1, 10).await;
    let one = pin!(send(&http, "POST", None));
    let other = pin!(send(&http, "POST", None));
    let (answered, in_flight) = select(one, other).await.factor_first();
    assert_eq!(answered.unwrap().status, 200);
    assert_eq!(send(&http, "POST", None).await.unwrap().status, 200);
    assert_eq!(in_flight.await.unwrap().status, 200);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_request_finds_the_way_past_all_connections_that_have_ended() {
    const CONNECTIONS: usize = 6;
    let all_open = Barrier::new(CONNECTIONS);
    let server = Server::start(move |peer| {
        let first = peer.request().unwrap();
        if peer.connection <= CONNECTIONS {
            let in_flight = peer.request().unwrap();
            all_open.wait();
            peer.say(&[answer(first), go_away(in_flight)].concat());
        } else {
            peer.say(&answer(first));
        }
        while peer.request().is_some() {}
    });
    let http = server.client(CONNECTIONS, 2).await;
    let all = (0..2 * CONNECTIONS).map(|_| send(&http, "POST", None));
    let mut all: FuturesUnordered<_> = all.collect();
    for _ in 0..CONNECTIONS {
        assert_eq!(all.next().await.unwrap().unwrap().status, 200);
    }
    assert_eq!(send(&http, "POST", None).await.unwrap().status, 200);
    assert_eq!(server.connections(), CONNECTIONS + 1);
    assert_eq!(http.figures().repeated, CONNECTIONS as u64);
}
