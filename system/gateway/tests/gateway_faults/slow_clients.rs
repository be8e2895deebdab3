//! Clients that are slow, silent, half closed or many: each is answered or let go, and the others are served.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::fakes::{FakeQueue, FakeStore, json};
use crate::gate::{Gate, WAIT_MAX, read_to_end};

const POST: &str = "POST /order HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
const GET: &str = "GET /order/1 HTTP/1.1\r\nhost: x\r\n\r\n";

fn replies() -> FakeQueue {
    FakeQueue::new(|_| async {
        // Long enough for the end of the client's stream to be there before the answer.
        tokio::time::sleep(Duration::from_millis(100)).await;
        json(r#"{"result":["1"]}"#)
    })
}

#[tokio::test]
async fn a_client_that_closes_its_half_after_the_request_gets_its_answer() {
    let gate = Gate::open(replies(), FakeStore::empty()).await;
    for request in [POST, GET] {
        let mut stream = gate.raw(request).await;
        stream.shutdown().await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
        assert!(answer.ends_with(r#"{"result":["1"]}"#), "{answer:?}");
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_whole_is_408_and_a_silent_connection_is_closed() {
    let gate = Gate::tuned(replies(), Arc::new(FakeStore::empty()), |config| {
        config.head_timeout_ms = 100;
        config.idle_timeout_ms = 100;
    })
    .await;
    let mut half = gate.raw("GET /order/1 HTTP/1.1\r\nhost:").await;
    let answer = read_to_end(&mut half).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer:?}");
    assert!(answer.contains("within 100 ms"), "{answer:?}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(body["error"].is_string());

    let mut silent = gate.raw("").await;
    assert_eq!(read_to_end(&mut silent).await, "");

    let mut kept = gate.raw(GET).await;
    let answer = read_to_end(&mut kept).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
}

#[tokio::test]
async fn a_request_that_takes_longer_than_every_limit_of_its_client_is_answered() {
    let gate = Gate::tuned(replies(), Arc::new(FakeStore::empty()), |config| {
        config.head_timeout_ms = 20;
        config.idle_timeout_ms = 20;
        config.stall_timeout_ms = 20;
    })
    .await;
    let mut stream = gate.raw(GET).await;
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_a_list_is_let_go() {
    let pages = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&pages);
    let text = "x".repeat(1 << 20);
    let queue = FakeQueue::new(move |_| {
        let page = asked.fetch_add(1, Ordering::SeqCst);
        let page = format!(r#"{{"result":["{text}"],"cursor":"{page}"}}"#);
        std::future::ready(json(&page))
    });
    let gate = Gate::tuned(queue, Arc::new(FakeStore::empty()), |config| {
        config.stall_timeout_ms = 200;
    })
    .await;
    // The list has no end: only the limit ends it.
    let mut stream = gate.raw("GET /orders HTTP/1.1\r\nhost: x\r\n\r\n").await;
    stream.readable().await.unwrap();
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let now = pages.load(Ordering::SeqCst);
        if now == before {
            break;
        }
        before = now;
    }
    let mut rest = vec![0; 1 << 16];
    let ended = tokio::time::timeout(WAIT_MAX, async {
        while let Ok(bytes) = stream.read(&mut rest).await {
            if bytes == 0 {
                break;
            }
        }
    });
    ended.await.expect("the list goes on");
    assert!(
        pages.load(Ordering::SeqCst) <= before + 4,
        "it was written on"
    );
}

#[tokio::test]
async fn a_newcomer_gets_the_place_of_the_connection_that_has_been_idle_longest() {
    let gate = Gate::tuned(replies(), Arc::new(FakeStore::empty()), |config| {
        config.connections_max = 3;
    })
    .await;
    let mut idle = Vec::new();
    for _ in 0..12 {
        idle.push(TcpStream::connect(gate.address).await.unwrap());
    }
    let answer = tokio::time::timeout(WAIT_MAX, async {
        let mut stream = gate.raw(GET).await;
        let mut head = vec![0; 12];
        stream.read_exact(&mut head).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    let answer = answer.await.expect("idle connections hold every place");
    assert_eq!(answer, "HTTP/1.1 200");
    assert_eq!(read_to_end(&mut idle[0]).await, "");
}

#[tokio::test]
async fn the_close_frame_of_a_client_is_answered() {
    let gate = Gate::open(FakeQueue::replies("{}"), FakeStore::empty()).await;
    let mut socket = gate.listen().await.unwrap();
    let goodbye = CloseFrame {
        code: CloseCode::Normal,
        reason: "enough".into(),
    };
    socket.send(Message::Close(Some(goodbye))).await.unwrap();
    let closed = tokio::time::timeout(WAIT_MAX, async {
        loop {
            match socket.next().await.expect("it ended without a close frame") {
                Ok(Message::Close(frame)) => return frame,
                Ok(_) => {}
                Err(error) => panic!("it ended without a close frame: {error}"),
            }
        }
    });
    let frame = closed.await.expect("no close frame came").unwrap();
    assert_eq!(frame.code, CloseCode::Normal);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_of_history_that_answers_every_ping_gets_all_of_it() {
    const EVENTS: usize = 400;
    const EVENT_BYTES: usize = 64 << 10;
    let store = Arc::new(FakeStore::with_history_of(EVENTS, EVENT_BYTES));
    let gate = Gate::tuned(FakeQueue::replies("{}"), store, |config| {
        config.feed.ping_ms = 500;
    })
    .await;
    let url = format!(
        "ws://{}/events?topics=order&after=order%3D0-0",
        gate.address
    );
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();

    let mut seen = 0;
    while seen < EVENTS {
        let message = tokio::time::timeout(WAIT_MAX, socket.next()).await;
        let message = message
            .expect("the history stands still")
            .expect("it ended");
        if let Message::Text(text) = message.unwrap() {
            let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
            seen += frame["events"].as_array().map_or(0, Vec::len);
            // The whole takes many times three ping intervals.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert_eq!(seen, EVENTS);
}
