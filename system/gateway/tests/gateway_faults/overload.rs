//! More is asked than can be done, of the gateway's own thread or of the sagas: what was begun is answered, the rest is refused in time and in
//! full.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hyper::Method;
use ordershop_gateway::Strangers;
use tokio::io::AsyncWriteExt;

use crate::fakes::{FakeQueue, FakeStore, json};
use crate::gate::{Answer, Gate, WAIT_MAX, read_to_end, whole};

/// What each call takes of the gateway's thread.
const WORK: Duration = Duration::from_millis(5);
/// Each asks again as soon as it is answered.
const USERS: usize = 150;
const PAGE: &str = "https://desk.example";

/// A gateway whose only thread is busy with each call, and the number of calls.
fn busy_gate() -> (Gate, Arc<AtomicUsize>) {
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&begun);
    let queue = FakeQueue::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(WORK);
        std::future::ready(json(r#"{"result":["1"]}"#))
    });
    let (opened, gate) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(async {
            let gate = Gate::tuned(queue, Arc::new(FakeStore::empty()), |config| {
                config.strangers = Strangers {
                    allowed_hosts: Vec::new(),
                    allowed_origins: vec![PAGE.parse().unwrap()],
                };
            });
            let gate = gate.await;
            let shutdown = gate.shutdown.clone();
            opened.send(gate).unwrap();
            shutdown.cancelled().await;
        });
    });
    (gate.recv().unwrap(), begun)
}

#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    refused: AtomicUsize,
    ends: AtomicBool,
}

async fn user(gate: Arc<Gate>, seen: Arc<Seen>) {
    while !seen.ends.load(Ordering::SeqCst) {
        let headers = [("origin", PAGE)];
        let answer = gate.send_with(Method::GET, "/order/1", &headers, whole(""));
        let answer = answer.await.unwrap();
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
        if answer.status == 200 {
            seen.answered.fetch_add(1, Ordering::SeqCst);
        } else {
            answer.is_error(503, "a read");
            assert_eq!(answer.header("retry-after"), Some("1"));
            seen.refused.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Waits until a count has reached `least`.
async fn reaches(count: &AtomicUsize, least: usize) {
    let counted = async {
        while count.load(Ordering::SeqCst) < least {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let counted = tokio::time::timeout(WAIT_MAX, counted).await;
    assert!(
        counted.is_ok(),
        "{} of {least}",
        count.load(Ordering::SeqCst)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_too_quickly_is_refused_in_full_and_what_was_begun_is_answered() {
    let (gate, begun) = busy_gate();
    let (gate, seen) = (Arc::new(gate), Arc::<Seen>::default());

    // New connections come after what is accepted, so they are opened before.
    let opened = (0..USERS).map(|_| gate.get("/openapi.json"));
    futures_util::future::join_all(opened).await;

    let users: Vec<_> = (0..USERS)
        .map(|_| tokio::spawn(user(Arc::clone(&gate), Arc::clone(&seen))))
        .collect();
    reaches(&seen.refused, USERS).await;
    // Users who are refused ask again at once; reads are answered all the same.
    reaches(&seen.answered, seen.answered.load(Ordering::SeqCst) + USERS).await;
    let health = gate.get("/health").await;
    let order = gate.post("/order", whole("{}")).await;
    seen.ends.store(true, Ordering::SeqCst);
    for user in users {
        user.await.unwrap();
    }

    // The fakes are never ready, but say so: what looks after the system is not refused.
    assert!(health.text.contains("reasons"), "{}", health.text);
    assert_eq!(order.status, 200, "{}", order.text);
    // Beside the users' reads an order was begun, and a question of the health check to the read model.
    let answered = seen.answered.load(Ordering::SeqCst) + 2;
    assert_eq!(answered, begun.load(Ordering::SeqCst));
    let after = gate.get("/order/1").await;
    assert_eq!(after.status, 200, "nothing waits any more: {}", after.text);
    gate.shutdown.cancel();
}

/// Posts a cart until it is answered so.
async fn cart_is_answered(gate: &Gate, status: u16) -> Answer {
    let asked = async {
        loop {
            let answer = gate.post("/cart", whole("{}")).await;
            if answer.status == status {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let answered = tokio::time::timeout(WAIT_MAX, asked).await;
    answered.unwrap_or_else(|_| panic!("no cart was answered {status}"))
}

/// Both answers on one connection: to a cart whose body comes after its head, and to a read.
async fn after_a_long_cart(gate: &Gate) -> String {
    let body = " ".repeat(60_000);
    let length = body.len();
    let head = format!("POST /cart HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    let mut stream = gate.raw(&head).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let read = "GET /order/1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all((body + read).as_bytes()).await.unwrap();
    read_to_end(&mut stream).await
}

#[tokio::test]
async fn while_the_sagas_are_behind_nothing_new_is_begun_and_what_was_begun_goes_on() {
    let store = Arc::new(FakeStore::empty());
    let queue = FakeQueue::replies(r#"{"result":["1"]}"#);
    let gate = Gate::tuned(queue, Arc::clone(&store), |_| {}).await;
    let before = gate.post("/cart", whole("{}")).await;

    store.waiting.store(1_000, Ordering::SeqCst);
    let refused = cart_is_answered(&gate, 503).await;
    let next = after_a_long_cart(&gate).await;
    let order = gate.post("/order", whole("{}")).await;
    let later = gate.post("/orders", whole("{}")).await;
    let billing = gate.post("/billing", whole("{}")).await;
    let resent = gate.post("/dead-letters/1/resend", whole("")).await;
    let shipping = gate.send(Method::PUT, "/shipping/1", whole("{}")).await;
    let read = gate.get("/order/1").await;
    store.waiting.store(0, Ordering::SeqCst);
    let after = cart_is_answered(&gate, 200).await;

    refused.is_error(503, "a cart");
    assert_eq!(refused.header("retry-after"), Some("1"));
    let answers = next.split("HTTP/1.1 ").skip(1);
    let statuses: Vec<_> = answers.map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["503", "200"], "{next}");
    let begun = [
        before,
        order,
        later,
        billing,
        shipping.unwrap(),
        read,
        after,
    ];
    assert_eq!(begun.map(|answer| answer.status), [200; 7]);
    assert_ne!(resent.status, 503, "{}", resent.text);
}
