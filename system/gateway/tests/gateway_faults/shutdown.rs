//! Shutdown: requests in flight are answered, sockets are closed, and hanging requests are cut off.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use hyper::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::fakes::{FakeQueue, FakeStore, json};
use crate::gate::{Gate, WAIT_MAX, read_to_end, whole};

/// A queue that signals when it is called, and answers when the test permits it.
fn held() -> (FakeQueue, Arc<Semaphore>, Arc<Semaphore>) {
    let (called, answer) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (calls, answers) = (Arc::clone(&called), Arc::clone(&answer));
    let queue = FakeQueue::new(move |_| {
        calls.add_permits(1);
        let answers = Arc::clone(&answers);
        async move {
            answers.acquire().await.unwrap().forget();
            json(r#"{"result":["1"]}"#)
        }
    });
    (queue, called, answer)
}

#[tokio::test]
async fn requests_in_flight_are_answered_and_sockets_closed_with_a_frame() {
    let (queue, called, answer) = held();
    let gate = Gate::open(queue, FakeStore::empty()).await;
    let mut socket = gate.listen().await.unwrap();
    let hello = socket.next().await.unwrap().unwrap();
    assert!(hello.to_text().unwrap().contains("hello"));
    let request = tokio::spawn(gate.send(Method::POST, "/order", whole("{}")));
    called.acquire().await.unwrap().forget();

    gate.shutdown.cancel();

    let closed = tokio::time::timeout(WAIT_MAX, async {
        loop {
            if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
                return frame.unwrap();
            }
        }
    })
    .await
    .expect("no close frame came");
    assert_eq!(closed.code, CloseCode::Away);
    assert!(!request.is_finished());
    answer.add_permits(1);
    let answered = request.await.unwrap().unwrap();
    assert_eq!(
        (answered.status, &*answered.text),
        (200, r#"{"result":["1"]}"#)
    );
    let address = gate.address;
    gate.ended().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_request_on_its_way_at_shutdown_is_answered_as_the_last_of_its_connection() {
    let store = Arc::new(FakeStore::empty());
    let queue = FakeQueue::new(|_| async { json(r#"{"result":["1"]}"#) });
    let gate = Gate::tuned(queue, store, |config| {
        config.last_request_ms = 600_000;
    })
    .await;
    let request = "POST /order HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let mut stream = gate.raw(request).await;
    let mut first = Vec::new();
    while !first.ends_with(br#"{"result":["1"]}"#) {
        assert!(stream.read_buf(&mut first).await.unwrap() > 0);
    }

    gate.shutdown.cancel();
    while tokio::net::TcpStream::connect(gate.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    // Time enough to close the connection, if it were closed.
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let last = read_to_end(&mut stream).await;

    assert!(last.starts_with("HTTP/1.1 200 OK"), "{last}");
    assert!(last.contains("connection: close"), "{last}");
    gate.ended().await;
}

#[tokio::test]
async fn a_request_that_hangs_is_cut_off_when_the_time_to_drain_is_over() {
    let (queue, called, _never) = held();
    let gate = Gate::tuned(queue, Arc::new(FakeStore::empty()), |config| {
        config.drain_ms = 100;
    })
    .await;
    let request = tokio::spawn(gate.send(Method::GET, "/order/1", whole("")));
    called.acquire().await.unwrap().forget();

    gate.shutdown.cancel();

    gate.ended().await;
    let cut_off = tokio::time::timeout(WAIT_MAX, request)
        .await
        .unwrap()
        .unwrap();
    assert!(cut_off.is_err());
}
