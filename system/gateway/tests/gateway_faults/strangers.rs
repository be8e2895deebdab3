//! Foreign pages and hosts: they can neither write, nor listen, nor read; everybody else can as before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::Method;
use ordershop_gateway::Strangers;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::fakes::{FakeQueue, FakeStore, json};
use crate::gate::{Gate, whole};

/// A gateway that counts what reaches a service.
async fn gate() -> (Gate, Arc<AtomicUsize>) {
    let reached = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reached);
    let queue = FakeQueue::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready(json(r#"{"result":[]}"#))
    });
    let gate = Gate::tuned(queue, Arc::new(FakeStore::empty()), |config| {
        config.strangers = Strangers {
            allowed_hosts: vec!["shop.example".parse().unwrap()],
            allowed_origins: vec!["https://desk.example".parse().unwrap()],
        };
    })
    .await;
    (gate, reached)
}

const FOREIGN: [(&str, &str); 3] = [
    ("origin", "https://evil.example"),
    ("origin", "null"),
    ("sec-fetch-site", "cross-site"),
];

#[tokio::test]
async fn a_foreign_page_writes_nothing_whatever_type_its_body_has() {
    let (gate, reached) = gate().await;
    let kinds = [
        "application/json",
        "application/x-www-form-urlencoded",
        "text/plain",
        "",
    ];
    for page in FOREIGN {
        for kind in kinds {
            let headers = [page, ("content-type", kind)];
            let headers = &headers[..if kind.is_empty() { 1 } else { 2 }];
            for (method, path) in [
                (Method::POST, "/order"),
                (Method::POST, "/orders"),
                (Method::PUT, "/order/1"),
                (Method::DELETE, "/order/1"),
            ] {
                let what = format!("{method} {path} with {headers:?}");
                let answer = gate.send_with(method, path, headers, whole("{}")).await;
                let answer = answer.unwrap();
                answer.is_error(403, &what);
                assert!(answer.text.contains("--allowed-origin"), "{}", answer.text);
            }
        }
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_plain_curl_and_the_gateways_own_page_write_as_json() {
    let (gate, reached) = gate().await;
    let own = format!("http://{}", gate.address);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let callers: [&[(&str, &str)]; 4] = [
        &[form],
        &[],
        &[("origin", &own), ("content-type", "application/json")],
        &[("sec-fetch-site", "same-origin"), form],
    ];
    for headers in callers {
        let answer = gate.send_with(Method::POST, "/order", headers, whole("{}"));
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 200, "{headers:?}: {}", answer.text);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    assert_eq!(reached.load(Ordering::SeqCst), callers.len());
}

#[tokio::test]
async fn a_foreign_page_cannot_listen() {
    let (gate, _) = gate().await;
    let listen = async |origin: &str| {
        let url = format!("ws://{}/events?topics=order", gate.address);
        let mut request = url.into_client_request().unwrap();
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
        match tokio_tungstenite::connect_async(request).await {
            Ok((_, answer)) => answer.status().as_u16(),
            Err(Error::Http(answer)) => answer.status().as_u16(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(listen("https://evil.example").await, 403);
    assert_eq!(listen("null").await, 403);
    assert_eq!(listen(&format!("http://{}", gate.address)).await, 101);
    assert_eq!(listen("https://desk.example").await, 101);
    // Programs that are no pages send no origin.
    assert!(gate.listen().await.is_ok());
}

#[tokio::test]
async fn a_name_that_was_made_to_point_here_reads_nothing() {
    let (gate, reached) = gate().await;
    for path in ["/orders", "/report", "/", "/health", "/metrics", "/nope"] {
        let headers = [("host", "evil.example:5000")];
        let answer = gate.send_with(Method::GET, path, &headers, whole(""));
        let answer = answer.await.unwrap();
        answer.is_error(403, path);
        assert!(
            answer.text.contains("--allowed-host evil.example"),
            "{}",
            answer.text
        );
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
    for host in ["shop.example", "localhost:5000", "api-gateway", "10.0.0.7"] {
        let answer = gate.send_with(Method::GET, "/orders", &[("host", host)], whole(""));
        assert_eq!(answer.await.unwrap().status, 200, "{host}");
    }
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_read_and_write_and_a_foreign_one_gets_no_cors() {
    let (gate, _) = gate().await;
    let desk = [("origin", "https://desk.example")];
    let post = gate.send_with(Method::POST, "/order", &desk, whole("{}"));
    let post = post.await.unwrap();
    assert_eq!(post.status, 200, "{}", post.text);
    assert_eq!(
        post.header("access-control-allow-origin"),
        Some("https://desk.example")
    );
    let preflight = gate.send_with(Method::OPTIONS, "/order/1", &desk, whole(""));
    let preflight = preflight.await.unwrap();
    let methods = preflight.header("access-control-allow-methods").unwrap();
    assert!(methods.contains("PUT"), "{methods}");
    let sendable = preflight.header("access-control-allow-headers").unwrap();
    assert!(sendable.contains("if-match"), "{sendable}");

    let evil = [("origin", "https://evil.example")];
    for method in [Method::GET, Method::OPTIONS] {
        let answer = gate.send_with(method, "/orders", &evil, whole(""));
        let answer = answer.await.unwrap();
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}
