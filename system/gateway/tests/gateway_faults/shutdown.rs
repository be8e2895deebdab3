//! Shutdown: requests in flight are answered, sockets are closed, and hanging requests are cut off.

use std::sync::Arc;

use futures_util::StreamExt;
use hyper::Method;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::fakes::{FakeQueue, FakeStore, json};
use crate::gate::{Gate, WAIT_MAX, whole};

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
