//! HTTP/2: streams, limits and the same figures as with HTTP/1.1.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper::{Request as Received, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::raw_server::{LIMITS, OK, RawServer, self_signed, send, value};
use super::routes::{through, tunnelling};
use super::scenario::{get, scenario};
use super::support::{Loadgen, eventually};
use loadgen_engine::http_client::{
    ClientLimits, ClientOptions, ConnectOptions, HttpClient, Request, Target, TlsOptions,
};

/// A server that speaks HTTP/2 without TLS.
struct Http2Server {
    url: String,
    connections: Arc<AtomicUsize>,
    /// Answers wait for a permit each.
    gate: Arc<Semaphore>,
    /// Requests that have come.
    arrived: Arc<AtomicUsize>,
}

impl Http2Server {
    /// With at most so many streams at once on a connection. Answers with what it read: authority, path, type, sender, body.
    fn start(streams_max: u32) -> Self {
        Self::listening(streams_max, None)
    }

    /// With TLS, in which it offers these protocols.
    fn start_tls(protocols: &[&[u8]]) -> Self {
        let mut config = self_signed();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Self::listening(100, Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn listening(streams_max: u32, tls: Option<TlsAcceptor>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS / 2));
        let arrived = Arc::new(AtomicUsize::new(0));
        let (count, waiting) = (connections.clone(), (gate.clone(), arrived.clone()));
        let serving = async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let (waiting, tls) = (waiting.clone(), tls.clone());
                let service = service_fn(move |request| answer(request, waiting.clone()));
                tokio::spawn(async move {
                    let mut builder = Builder::new(TokioExecutor::new());
                    let serving = builder.max_concurrent_streams(streams_max);
                    match tls {
                        None => drop(
                            serving
                                .serve_connection(TokioIo::new(stream), service)
                                .await,
                        ),
                        Some(tls) => {
                            // A client that finds no common protocol goes away.
                            if let Ok(stream) = tls.accept(stream).await {
                                let stream = TokioIo::new(stream);
                                serving.serve_connection(stream, service).await.ok();
                            }
                        }
                    }
                });
            }
        };
        std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().unwrap().block_on(serving)
        });
        Self {
            url,
            connections,
            gate,
            arrived,
        }
    }

    async fn client(&self, connections_max: usize, streams_max: usize) -> HttpClient {
        let tls = TlsOptions {
            insecure: true,
            ..TlsOptions::default()
        };
        let connect = ConnectOptions {
            tls,
            ..ConnectOptions::default()
        };
        let target = Target::resolve(&self.url, &connect).await.unwrap();
        let limits = ClientLimits {
            connections_max,
            ..LIMITS
        };
        HttpClient::with(target, limits, options(streams_max))
    }
}

fn options(streams_max: usize) -> ClientOptions {
    ClientOptions {
        streams_per_connection: Some(streams_max),
        ..ClientOptions::default()
    }
}

async fn answer(
    request: Received<hyper::body::Incoming>,
    (gate, arrived): (Arc<Semaphore>, Arc<AtomicUsize>),
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.version(), Version::HTTP_2);
    assert!(!request.headers().contains_key("proxy-authorization"));
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    arrived.fetch_add(1, Ordering::SeqCst);
    gate.acquire().await.unwrap().forget();
    let header = |name: &str| {
        head.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    let said = format!(
        "{} {} {} {} {}",
        head.uri.authority().unwrap(),
        head.uri.path(),
        header("content-type"),
        header("user-agent").split('/').next().unwrap(),
        String::from_utf8_lossy(&body)
    );
    Ok(Response::builder()
        .header("etag", "\"7\"")
        .header("set-cookie", "a=1")
        .body(said.into())
        .unwrap())
}

#[tokio::test]
async fn a_request_is_the_same_over_http_2() {
    let server = Http2Server::start(100);
    let http = server.client(4, 100).await;
    let request = Request {
        method: "POST",
        headers: vec![
            ("Host", "shop.example".into()),
            ("connection", "close".into()),
        ],
        body: Some(b"{}".as_slice().into()),
        ..Request::get("/größe")
    };
    let reply = http.turn().await.send(&request).await.unwrap();
    assert_eq!(
        reply.body,
        "shop.example /gr%C3%B6%C3%9Fe application/json loadgen {}"
    );
    assert_eq!(
        (reply.version, reply.wire_bytes),
        (Some(7), reply.body.len() as u64)
    );
    assert_eq!(reply.headers.unwrap().cookies, ["a=1"]);
}

#[tokio::test]
async fn a_proxys_password_is_the_proxys_alone() {
    let server = Http2Server::start(100);
    let proxy = tunnelling();
    let url = proxy.url.replace("http://", "http://me:pass@");
    let target = Target::resolve(&server.url, &through(&url)).await.unwrap();
    let http = HttpClient::with(target, LIMITS, options(10));
    assert_eq!(send(&http, "GET", None).await.unwrap().status, 200);
    let head = &proxy.heads()[0];
    assert_eq!(
        value(head, "proxy-authorization"),
        Some("Basic bWU6cGFzcw==")
    );
}

#[tokio::test]
async fn requests_share_connections_up_to_the_streams_that_both_sides_allow() {
    // The limits, how many of twelve requests are with the target at once, and the connections and streams that they take.
    for (ours, theirs, connections_max, at_once, connections, most) in [
        (100, 100, 4, 12, 1..=1, 12..=12),
        (4, 100, 4, 12, 3..=3, 4..=4),
        // The target's limit is not known before a connection's first settings have come.
        (100, 4, 4, 8, 2..=3, 4..=8),
        (100, 4, 1, 4, 1..=1, 4..=4),
    ] {
        let server = Http2Server::start(theirs);
        let http = server.client(connections_max, ours).await;
        send(&http, "GET", None).await.unwrap();
        server.gate.forget_permits(Semaphore::MAX_PERMITS);
        let all = join_all((0..12).map(|_| send(&http, "GET", None)));
        let (replies, ()) = tokio::join!(all, async {
            while server.arrived.load(Ordering::SeqCst) < 1 + at_once {
                tokio::task::yield_now().await;
            }
            server.gate.add_permits(12);
        });
        let answered = replies.iter().flatten().filter(|reply| reply.status == 200);
        assert_eq!(answered.count(), 12);
        let case = (ours, theirs, connections_max);
        let figures = http.figures();
        assert_eq!(
            server.connections.load(Ordering::SeqCst) as u64,
            figures.opened
        );
        assert!(
            connections.contains(&figures.opened),
            "{case:?} {figures:?}"
        );
        assert!(most.contains(&figures.streams_max), "{case:?} {figures:?}");
        // Over a limit that is not known yet, a stream is refused and the request repeated.
        assert_eq!(figures.requests, 13 + figures.repeated);
    }
}

#[tokio::test]
async fn http_2_is_agreed_on_in_the_tls_handshake_or_it_is_an_error() {
    let server = Http2Server::start_tls(&[b"http/1.1", b"h2"]);
    let reply = send(&server.client(4, 10).await, "GET", None).await;
    assert_eq!(reply.unwrap().status, 200);
    let (none, older): (&[&[u8]], &[&[u8]]) = (&[], &[b"http/1.1"]);
    for protocols in [none, older] {
        let server = Http2Server::start_tls(protocols);
        let outcome = send(&server.client(4, 10).await, "GET", None).await;
        assert!(outcome.is_err(), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_target_that_speaks_no_http_2_is_an_error() {
    let server = RawServer::once(OK);
    let http = server.client_with(options(10)).await;
    assert!(send(&http, "GET", None).await.is_err());
}

#[test]
fn a_run_over_http_2_tells_its_connections_and_streams() {
    let server = Http2Server::start(100);
    let h2 = scenario("[http]\nprotocol = \"h2\"", &get("/", ""));
    let ended = Loadgen::scenario(&h2.replace("rate = 2.0", "rate = 50.0"))
        .arguments(&["--target", &server.url])
        .run();
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let report = ended.report();
    assert_eq!(report["journeys"]["completed"], 50);
    let http = &report["http"];
    assert_eq!(
        (&http["protocol"], &http["requests"]),
        (&"HTTP/2".into(), &50.into())
    );
    assert!(http["streams_max"].as_u64().unwrap() >= 1);
    // Those of the drivers, and one that found out whether the target is there.
    let opened = http["connections"].as_u64().unwrap();
    assert!((1..50).contains(&opened), "{http}");
    assert!(ended.stdout.contains("HTTP/2"));
}

#[test]
fn what_waits_for_a_stream_while_the_target_stands_still_is_response_time_but_not_service_time() {
    let server = Http2Server::start(4);
    let h2 = scenario("[http]\nprotocol = \"h2\"", &get("/", ""))
        .replace(
            "rate = 2.0\nduration = \"1s\"",
            "rate = 50.0\nduration = \"3s\"",
        )
        .replace("[limits]", "[limits]\nconnections_max = 1");
    let run = Loadgen::scenario(&h2).arguments(&["--target", &server.url]);
    let child = run.start();
    eventually("some requests", || {
        server.arrived.load(Ordering::SeqCst) > 20
    });
    server.gate.forget_permits(Semaphore::MAX_PERMITS);
    std::thread::sleep(Duration::from_secs(1));
    server.gate.add_permits(1_000);
    let ended = run.ended(child.wait_with_output().unwrap());

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let report = ended.report();
    // A third of the requests come meanwhile, and four of them have a stream.
    let p90 = |of: &str| report["steps"][0][of]["p90"].as_f64().unwrap();
    let (response, service) = (p90("response_time_us"), p90("service_time_us"));
    assert!(response > 400_000.0, "response p90 {response} µs");
    assert!(service < response / 2.0, "service p90 {service} µs");
    let slip = report["generator"]["schedule_slip_us"]["p50"].as_f64();
    assert!(slip.unwrap() < 50_000.0, "{slip:?} µs");
}
