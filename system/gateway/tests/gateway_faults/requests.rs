//! Malformed and unusual requests.

use std::sync::Arc;

use hyper::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fakes::{FakeQueue, FakeStore, json};
use crate::gate::{Gate, chunked, read_to_end, whole};

async fn gate() -> Gate {
    let queue = FakeQueue::replies(r#"{"result":["1"]}"#);
    Gate::tuned(queue, Arc::new(FakeStore::empty()), |config| {
        config.body_bytes_max = 1000;
        config.body_timeout_ms = 200;
        config.feed.sockets_max = 1;
    })
    .await
}

#[tokio::test]
async fn a_method_that_a_route_lacks_is_405_with_those_it_has() {
    let gate = gate().await;
    let cases = [
        (Method::GET, "/order", "POST, OPTIONS"),
        (Method::POST, "/order/1", "GET, HEAD, PUT, DELETE, OPTIONS"),
        (Method::PATCH, "/order/1", "GET, HEAD, PUT, DELETE, OPTIONS"),
        (Method::DELETE, "/orders", "GET, HEAD, POST, OPTIONS"),
        (Method::POST, "/report", "GET, HEAD, OPTIONS"),
        (Method::POST, "/", "GET, HEAD, OPTIONS"),
    ];
    for (method, path, allow) in cases {
        let what = format!("{method} {path}");
        let answer = gate.send(method, path, whole("")).await.unwrap();
        answer.is_error(405, &what);
        assert_eq!(answer.header("allow"), Some(allow), "{what}");
        let options = gate.send(Method::OPTIONS, path, whole("")).await.unwrap();
        assert_eq!(options.status, 204, "{what}");
        assert_eq!(options.header("allow"), Some(allow), "{what}");
    }
}

#[tokio::test]
async fn a_head_is_a_get_without_its_body() {
    let gate = gate().await;
    for path in ["/order/1", "/orders", "/", "/page/app.js"] {
        let get = gate.get(path).await;
        let head = gate.send(Method::HEAD, path, whole("")).await.unwrap();
        assert_eq!((head.status, &*head.text), (200, ""), "{path}");
        for name in ["content-type", "content-length"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
            assert!(head.header(name).is_some(), "{path}: {name}");
        }
    }
}

#[tokio::test]
async fn parameters_out_of_range_are_refused_and_not_clamped() {
    let gate = gate().await;
    let cases = [
        ("/orders?limit=0", "1 to 1000"),
        ("/orders?limit=1001", "1 to 1000"),
        ("/mails/sent?limit=-1", "1 to 1000"),
        ("/report/orders?limit=101", "1 to 100"),
        ("/events/order?limit=1001", "1 to 1000"),
        ("/orders?cursor=", "cursor"),
        ("/events/order?after=1-x", "after"),
        ("/events?after=order%3D5-x", "after"),
    ];
    for (path, expected) in cases {
        let answer = gate.get(path).await;
        answer.is_error(400, path);
        assert!(answer.text.contains(expected), "{path}: {}", answer.text);
    }
    for path in ["/orders?limit=1000", "/report/orders?limit=100"] {
        assert_eq!(gate.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_whether_or_not_its_length_was_said() {
    let gate = gate().await;
    let spaces: &'static str = "          ";
    for (length, path) in [(1001, "/order"), (200_000, "/orders")] {
        let answer = gate.post(path, whole(" ".repeat(length))).await;
        answer.is_error(413, path);
        assert!(answer.text.contains("1000 bytes"), "{}", answer.text);
        let answer = gate.post(path, chunked(spaces, length / 10 + 1)).await;
        answer.is_error(413, path);
    }
    // Just within the limit, the body is read and then refused, as it is not JSON.
    let within = gate.post("/order", chunked(spaces, 100)).await;
    within.is_error(400, "1000 bytes");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_408_and_one_that_breaks_off_costs_nothing() {
    let gate = gate().await;
    let mut stream = tokio::net::TcpStream::connect(gate.address).await.unwrap();
    let head = "POST /order HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8(answer).unwrap(), "HTTP/1.1 408");

    let mut stream = tokio::net::TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(stream);
    assert_eq!(gate.get("/order/1").await.status, 200);
}

#[tokio::test]
async fn an_answer_before_the_whole_body_says_that_the_connection_ends() {
    let gate = gate().await;
    let head = "HTTP/1.1\r\nhost: x\r\ncontent-type: text/html\r\ncontent-length: 50\r\n\r\n{";
    for (request, status) in [("POST /nothing", 404), ("POST /order", 415)] {
        let mut stream = gate.raw(&format!("{request} {head}")).await;
        let answer = read_to_end(&mut stream).await;
        let expected = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&expected), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn the_feed_without_an_upgrade_is_426_and_with_bad_parameters_400() {
    let gate = gate().await;
    let plain = gate.get("/events").await;
    plain.is_error(426, "no upgrade");
    assert_eq!(plain.header("upgrade"), Some("websocket"));
    gate.get("/events?topics=orders")
        .await
        .is_error(400, "no topic");
    let old = "GET /events HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\
               sec-websocket-version: 8\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    let mut stream = gate.raw(old).await;
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 426"), "{answer}");
    assert!(
        answer.contains("\r\nsec-websocket-version: 13\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn more_listeners_than_may_be_are_sent_away_with_503() {
    let gate = gate().await;
    let first = gate.listen().await.unwrap();
    let Err(tokio_tungstenite::tungstenite::Error::Http(refused)) = gate.listen().await else {
        panic!("a second listener was let in, or not answered");
    };
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    drop(first);
}

#[tokio::test]
async fn the_first_requests_must_see_all_that_was_there_when_the_gateway_started() {
    let (tell, told) = std::sync::mpsc::channel();
    let queue = FakeQueue::new(move |message| {
        let query: serde_json::Value = serde_json::from_str(message.payload.get()).unwrap();
        tell.send(query["at_least"].clone()).unwrap();
        async { json(r#"{"result":["1"]}"#) }
    });
    let store = Arc::new(FakeStore::with_history_of(7, 0));
    let gate = Gate::tuned(queue, store, |_| {}).await;
    gate.get("/order/1").await;
    gate.send(Method::PUT, "/shipping/1", whole("{}"))
        .await
        .unwrap();

    let asked: Vec<_> = told.try_iter().collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    for positions in asked {
        assert!(positions.to_string().contains("1-7"), "{positions}");
    }
}

#[tokio::test]
async fn while_the_stores_ends_are_not_known_nothing_is_answered_that_may_be_older() {
    let queue = FakeQueue::replies(r#"{"result":["1"]}"#);
    let gate = Gate::tuned(queue, Arc::new(FakeStore::away()), |_| {}).await;
    let answer = gate.get("/order/1").await;
    answer.is_error(503, "a read");
}
