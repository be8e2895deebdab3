//! Requests that are repeated or that rest on an earlier read: `Idempotency-Key`, `ETag`, `If-Match`.

use std::sync::{Arc, Mutex};

use hyper::Method;
use ordershop_contract::message_queue::QueueError;
use serde_json::{Value, json};

use crate::fakes::{FakeQueue, FakeStore, json as reply};
use crate::gate::{Gate, whole};

/// Messages as a service gets them: id and payload.
type Sent = Arc<Mutex<Vec<(String, Value)>>>;

async fn gate(answer: &'static str) -> (Gate, Sent) {
    let sent = Sent::default();
    let noted = Arc::clone(&sent);
    let queue = FakeQueue::new(move |message| {
        let payload = serde_json::from_str(message.payload.get()).unwrap();
        noted.lock().unwrap().push((message.message_id, payload));
        std::future::ready(reply(answer))
    });
    (Gate::open(queue, FakeStore::empty()).await, sent)
}

impl Gate {
    async fn post_with_key(&self, path: &str, key: &str, body: &'static str) -> u16 {
        let headers = [("idempotency-key", key)];
        let answer = self.send_with(Method::POST, path, &headers, whole(body));
        let answer = answer.await.unwrap();
        if answer.status == 400 {
            answer.is_error(400, key);
        }
        answer.status
    }
}

#[tokio::test]
async fn the_same_post_with_the_same_key_is_the_same_message() {
    let (gate, sent) = gate(r#"{"result":["1"]}"#).await;
    let body = r#"{"cart_id":"1"}"#;
    for path in ["/order", "/orders", "/order"] {
        assert_eq!(gate.post_with_key(path, "key-1", body).await, 200);
    }
    gate.post_with_key("/order", "key-2", body).await;
    gate.post_with_key("/order", "key-1", r#"{"cart_id":"2"}"#)
        .await;
    gate.post_with_key("/cart", "key-1", body).await;
    gate.post("/order", whole(body)).await;
    gate.post("/order", whole(body)).await;

    let sent = sent.lock().unwrap();
    let ids: Vec<&str> = sent.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!([ids[1], ids[2]], [ids[0]; 2], "a repeat is another message");
    for n in 3..ids.len() {
        assert!(!ids[..n].contains(&ids[n]), "{n}: {ids:?}");
        assert_eq!(ids[n].len(), 32);
    }
    let keys: Vec<&Value> = sent.iter().map(|(_, payload)| &payload["key"]).collect();
    let (first, other, none) = (&json!("key-1"), &json!("key-2"), &Value::Null);
    assert_eq!(keys, [first, first, first, other, first, first, none, none]);
    assert_eq!(sent[0].1["params"], json!({"cart_id": "1"}));
}

#[tokio::test]
async fn an_asynchronous_repeat_is_answered_with_the_same_message_id() {
    let (gate, sent) = gate(r#"{"result":["1"]}"#).await;
    let headers = [("idempotency-key", "k")];
    let mut answers = Vec::new();
    for _ in 0..2 {
        let answer = gate.send_with(Method::POST, "/orders", &headers, whole("[{}]"));
        answers.push(answer.await.unwrap().text);
    }
    let id = &sent.lock().unwrap()[0].0;
    assert_eq!(answers[0], format!("{{\"result\":\"{id}\"}}"));
    assert_eq!(answers[1], answers[0]);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_before_anything_is_sent() {
    let (gate, sent) = gate(r#"{"result":["1"]}"#).await;
    let longest = "k".repeat(255);
    let too_long = "k".repeat(256);
    for path in ["/order", "/orders"] {
        for key in ["", "a b", &too_long] {
            assert_eq!(gate.post_with_key(path, key, "{}").await, 400, "{key:?}");
        }
        assert!(sent.lock().unwrap().is_empty());
        assert_eq!(gate.post_with_key(path, &longest, "{}").await, 200);
        sent.lock().unwrap().clear();
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "a")];
    let answer = gate.send_with(Method::POST, "/order", &twice, whole("{}"));
    answer.await.unwrap().is_error(400, "two keys");
}

#[tokio::test]
async fn a_command_without_an_answer_says_that_its_outcome_is_unknown() {
    let queue = FakeQueue::new(|_| {
        let timeout = QueueError::Timeout {
            queue: "order-service.create_orders".into(),
            timeout_ms: 5000,
        };
        std::future::ready(Err(timeout))
    });
    let gate = Gate::open(queue, FakeStore::empty()).await;
    let post = gate.post("/order", whole("{}")).await;
    post.is_error(504, "a command");
    assert!(post.text.contains("unknown"), "{}", post.text);
    assert!(post.text.contains("Idempotency-Key"), "{}", post.text);
    let get = gate.get("/order/1").await;
    get.is_error(504, "a query");
    assert!(!get.text.contains("unknown"), "{}", get.text);
}

#[tokio::test]
async fn an_entity_comes_with_its_version_as_its_etag() {
    let (gate, sent) = gate(r#"{"result":{"entity":{"entity_id":"1"},"version":3}}"#).await;
    for method in [Method::GET, Method::HEAD] {
        let answer = gate
            .send(method.clone(), "/order/1", whole(""))
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("etag"), Some("\"3\""), "{method}");
    }
    assert_eq!(
        gate.get("/order/1").await.text,
        r#"{"result":{"entity_id":"1"}}"#
    );
    assert_eq!(sent.lock().unwrap()[0].1["params"]["versions"], true);

    let cases = [
        ("\"3\"", 304),
        ("\"2\", W/\"3\"", 304),
        ("*", 304),
        ("\"2\"", 200),
        ("3", 400),
    ];
    for (tags, status) in cases {
        let headers = [("if-none-match", tags)];
        let answer = gate.send_with(Method::GET, "/order/1", &headers, whole(""));
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, status, "{tags}: {}", answer.text);
        if status == 304 {
            assert_eq!((&*answer.text, answer.header("etag")), ("", Some("\"3\"")));
        }
    }
}

#[tokio::test]
async fn an_entity_that_does_not_exist_has_no_etag() {
    let (gate, _) = gate(r#"{"result":null}"#).await;
    let answer = gate.get("/order/1").await;
    assert_eq!((answer.status, &*answer.text), (200, r#"{"result":null}"#));
    assert_eq!(answer.header("etag"), None);
}

#[tokio::test]
async fn a_change_carries_the_versions_that_it_may_change() {
    let (gate, sent) = gate(r#"{"result":true}"#).await;
    let cases = [
        ("\"3\"", 200, json!([3])),
        ("\"3\", \"4\"", 200, json!([3, 4])),
        ("*", 200, Value::Null),
        ("W/\"3\"", 412, Value::Null),
        ("\"x\"", 412, Value::Null),
        ("3", 400, Value::Null),
        ("", 400, Value::Null),
    ];
    for method in [Method::PUT, Method::DELETE] {
        let body = if method == Method::PUT { "{}" } else { "" };
        for (tags, status, carried) in &cases {
            let headers = [("if-match", *tags)];
            let answer = gate.send_with(method.clone(), "/order/1", &headers, whole(body));
            let answer = answer.await.unwrap();
            assert_eq!(answer.status, *status, "{method} {tags}: {}", answer.text);
            let messages = std::mem::take(&mut *sent.lock().unwrap());
            if *status == 200 {
                assert_eq!(messages[0].1["if_match"], *carried, "{method} {tags}");
            } else {
                answer.is_error(*status, tags);
                assert!(messages.is_empty(), "{method} {tags}");
            }
        }
        let plain = gate.send(method, "/order/1", whole(body)).await.unwrap();
        assert_eq!(plain.status, 200);
        let messages = std::mem::take(&mut *sent.lock().unwrap());
        assert!(messages[0].1.get("if_match").is_none());
    }
}

#[tokio::test]
async fn a_service_that_finds_another_version_is_a_412() {
    let (gate, _) = gate(r#"{"error":"it is at version 4","status":412}"#).await;
    let headers = [("if-match", "\"3\"")];
    let answer = gate.send_with(Method::PUT, "/order/1", &headers, whole("{}"));
    answer.await.unwrap().is_error(412, "another version");
}
