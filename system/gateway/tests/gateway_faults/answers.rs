//! The answers to clients when the queue, a service or the event store fails.

use std::sync::atomic::{AtomicBool, Ordering};

use hyper::Method;
use ordershop_contract::message_queue::QueueError;

use crate::fakes::{FakeQueue, FakeStore, json};
use crate::gate::{Gate, whole};

fn failures() -> [(QueueError, u16); 5] {
    let queue = "order-service.create_orders".to_owned();
    [
        (
            QueueError::Timeout {
                queue: queue.clone(),
                timeout_ms: 5000,
            },
            504,
        ),
        (
            QueueError::NotBegun {
                queue: queue.clone(),
                timeout_ms: 5000,
            },
            503,
        ),
        (
            QueueError::Overloaded {
                queue,
                depth: 11,
                depth_max: 10,
            },
            503,
        ),
        (QueueError::Unavailable("connection refused".into()), 503),
        (QueueError::Closed, 503),
    ]
}

#[tokio::test]
async fn a_queue_that_fails_is_an_answer_with_its_status_and_when_to_try_again() {
    for (failure, status) in failures() {
        let failing = failure.clone();
        let queue = FakeQueue::new(move |_| std::future::ready(Err(failing.clone())));
        let gate = Gate::open(queue, FakeStore::empty()).await;
        let requests = [
            (Method::GET, "/order/1", ""),
            (Method::GET, "/orders", ""),
            (Method::GET, "/orders?limit=5", ""),
            (Method::GET, "/orders/unbilled", ""),
            (Method::GET, "/report", ""),
            (Method::GET, "/report/orders", ""),
            (Method::POST, "/order", "{}"),
            (Method::POST, "/orders", "[{}]"),
            (Method::PUT, "/order/1", "{}"),
            (Method::DELETE, "/order/1", ""),
        ];
        for (method, path, body) in requests {
            let what = format!("{method} {path} with {failure}");
            let answer = gate.send(method, path, whole(body)).await.unwrap();
            answer.is_error(status, &what);
            let again = (status == 503).then_some("1");
            assert_eq!(answer.header("retry-after"), again, "{what}");
        }
    }
}

#[tokio::test]
async fn a_command_whose_outcome_is_unknown_says_so_and_how_to_repeat_it() {
    let unknown = [
        QueueError::Timeout {
            queue: "order-service.create_orders".into(),
            timeout_ms: 5000,
        },
        QueueError::Indeterminate("the connection broke".into()),
    ];
    for failure in unknown {
        let failing = failure.clone();
        let queue = FakeQueue::new(move |_| std::future::ready(Err(failing.clone())));
        let gate = Gate::open(queue, FakeStore::empty()).await;
        let commands = [
            (Method::POST, "/order"),
            (Method::POST, "/orders"),
            (Method::PUT, "/order/1"),
        ];
        for (method, path) in commands {
            let answer = gate.send(method, path, whole("{}")).await.unwrap();
            answer.is_error(504, path);
            let text = answer.text;
            assert!(
                text.contains("outcome unknown") && text.contains("Idempotency-Key"),
                "{path}: {text}"
            );
        }
        let read = gate.send(Method::GET, "/order/1", whole("")).await.unwrap();
        assert!(!read.text.contains("Idempotency-Key"), "{}", read.text);
    }
}

#[tokio::test]
async fn a_reply_that_is_none_is_an_error_in_json_and_not_passed_on() {
    let garbage = [
        ("[1]", 502),
        ("7", 502),
        ("\"hello\"", 502),
        ("null", 502),
        ("{}", 502),
        (r#"{"error":7}"#, 502),
        (r#"{"positions":{"nonsense":"1-0"},"result":true}"#, 502),
        (r#"{"error":"no","status":200}"#, 500),
        (r#"{"error":"no"}"#, 500),
    ];
    for (reply, status) in garbage {
        let gate = Gate::open(FakeQueue::replies(reply), FakeStore::empty()).await;
        for path in [
            "/order/1",
            "/orders",
            "/orders?limit=5",
            "/report",
            "/report/orders",
        ] {
            gate.get(path).await.is_error(status, reply);
        }
        gate.post("/order", whole("{}"))
            .await
            .is_error(status, reply);
    }
    // A list's result must be an array.
    let gate = Gate::open(FakeQueue::replies(r#"{"result":7}"#), FakeStore::empty()).await;
    gate.get("/orders").await.is_error(502, "7 for a list");
}

#[tokio::test]
async fn a_service_s_refusal_keeps_its_status_and_its_words() {
    let reply = r#"{"error":"no stock of \"Tea\"","status":409,"positions":{"inventory":"7-1"}}"#;
    let gate = Gate::open(FakeQueue::replies(reply), FakeStore::empty()).await;

    let answer = gate.post("/order", whole("{}")).await;

    answer.is_error(409, "a refusal");
    assert_eq!(answer.text, r#"{"error":"no stock of \"Tea\""}"#);
    assert_eq!(answer.header("x-position"), Some("inventory=7-1"));
}

#[tokio::test]
async fn a_list_that_fails_halfway_breaks_the_connection_and_never_looks_whole() {
    let second_pages = [
        None,
        Some(r#"{"error":"gone","status":503}"#),
        Some("[]"),
        // The cursor of the page before: the pages would never end.
        Some(r#"{"result":[{"entity_id":"2"}],"cursor":"1"}"#),
    ];
    for second in second_pages {
        let queue = FakeQueue::new(move |message| {
            let first = !message.payload.get().contains("cursor");
            std::future::ready(match second {
                _ if first => json(r#"{"result":[{"entity_id":"1"}],"cursor":"1"}"#),
                Some(reply) => json(reply),
                None => Err(QueueError::Unavailable("gone".into())),
            })
        });
        let gate = Gate::open(queue, FakeStore::empty()).await;
        for path in ["/orders", "/mails/sent", "/report", "/report/orders"] {
            let broken = gate.send(Method::GET, path, whole("")).await;
            assert!(broken.is_err(), "{path} looks whole with {second:?}");
        }
        // The gateway still serves.
        assert_eq!(gate.get("/metrics").await.status, 200);
    }
}

#[tokio::test]
async fn a_handler_that_panics_is_a_500_and_the_connection_goes_on() {
    let panics = AtomicBool::new(true);
    let queue = FakeQueue::new(move |_| {
        assert!(!panics.swap(false, Ordering::SeqCst), "as the test wishes");
        std::future::ready(json(r#"{"result":null}"#))
    });
    let gate = Gate::open(queue, FakeStore::empty()).await;

    let first = gate.get("/order/1").await;
    let second = gate.get("/order/1").await;

    first.is_error(500, "a panic");
    assert!(!first.text.contains("as the test wishes"), "{}", first.text);
    assert_eq!((second.status, &*second.text), (200, r#"{"result":null}"#));
}

#[tokio::test]
async fn health_and_metrics_are_served_while_the_store_is_away() {
    let gate = Gate::open(FakeQueue::replies("{}"), FakeStore::away()).await;

    let health = gate.get("/health").await;
    let metrics = gate.get("/metrics").await;

    assert_eq!(health.status, 503);
    assert!(health.text.contains("the fake is away"), "{}", health.text);
    assert_eq!(metrics.status, 200);
    let counted = r#"ordershop_http_requests_total{method="GET",route="/health",status="503"} 1"#;
    assert!(metrics.text.contains(counted), "{}", metrics.text);
}
