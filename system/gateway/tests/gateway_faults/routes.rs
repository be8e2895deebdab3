//! Which function of which service a path and a method lead to, and under which name a route is counted.

use std::sync::{Arc, Mutex};

use hyper::Method;
use ordershop_contract::message_queue::QueueName;
use ordershop_contract::queue_names::{
    GET_DELIVERED_ORDERS, GET_ENTITIES, GET_ENTITY, GET_MAILS, GET_UNBILLED_ORDERS,
    GET_UNSHIPPED_ORDERS, create, delete, update,
};
use ordershop_contract::topic::Topic;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fakes::{FakeQueue, FakeStore, json};
use crate::gate::{Gate, whole};

/// The messages that went into a queue: where to, and the payload.
type Sent = Arc<Mutex<Vec<(QueueName, String)>>>;

async fn gate() -> (Gate, Sent) {
    let sent = Sent::default();
    let noted = Arc::clone(&sent);
    let queue = FakeQueue::new(move |message| {
        let payload = message.payload.get().to_owned();
        noted.lock().unwrap().push((message.to, payload));
        std::future::ready(json(r#"{"result":[]}"#))
    });
    (Gate::open(queue, FakeStore::empty()).await, sent)
}

fn entities() -> impl Iterator<Item = Topic> {
    Topic::ALL.into_iter().filter(|topic| *topic != Topic::Mail)
}

/// Paths that lead to one function, with their pattern.
pub fn functions() -> Vec<(Method, String, String, QueueName)> {
    let of_entities = entities().flat_map(|topic| {
        let (plural, id) = (topic.plural(), "a%2Fb-1");
        let (one, all) = (format!("/{topic}"), format!("/{plural}"));
        let (of_id, pattern) = (format!("/{topic}/{id}"), format!("/{topic}/{{id}}"));
        [
            (Method::GET, of_id.clone(), pattern.clone(), GET_ENTITY),
            (
                Method::PUT,
                of_id.clone(),
                pattern.clone(),
                update(topic).unwrap(),
            ),
            (Method::DELETE, of_id, pattern, delete(topic).unwrap()),
            (Method::POST, one.clone(), one, create(topic).unwrap()),
            (Method::GET, all.clone(), all.clone(), GET_ENTITIES),
            (Method::POST, all.clone(), all, create(topic).unwrap()),
        ]
    });
    let derived = [
        ("/orders/unbilled", GET_UNBILLED_ORDERS),
        ("/orders/unshipped", GET_UNSHIPPED_ORDERS),
        ("/orders/delivered", GET_DELIVERED_ORDERS),
        ("/mails/sent", GET_MAILS),
    ];
    let derived = derived.map(|(path, to)| (Method::GET, path.to_owned(), path.to_owned(), to));
    of_entities.chain(derived).collect()
}

/// Paths that lead to no function or to many: their pattern, and the status of a plain GET.
pub const OTHERS: [(&str, &str, u16); 12] = [
    ("/report", "/report", 200),
    ("/report/orders", "/report/orders", 200),
    ("/events", "/events", 426),
    ("/events/mail", "/events/{topic}", 200),
    ("/health", "/health", 503),
    ("/metrics", "/metrics", 200),
    ("/openapi.json", "/openapi.json", 200),
    ("/", "/", 200),
    ("/page/app.js", "/page/app.js", 200),
    ("/page/shown.js", "/page/shown.js", 200),
    ("/page/recorded.js", "/page/recorded.js", 200),
    ("/page/waterfall.js", "/page/waterfall.js", 200),
];

#[tokio::test]
async fn every_documented_path_leads_to_its_function() {
    let (gate, sent) = gate().await;
    for (method, path, _, to) in functions() {
        let body = if method == Method::POST || method == Method::PUT {
            "{}"
        } else {
            ""
        };
        let what = format!("{method} {path}");
        let answer = gate.send(method, &path, whole(body)).await.unwrap();
        assert_eq!(answer.status, 200, "{what}: {}", answer.text);
        let messages = std::mem::take(&mut *sent.lock().unwrap());
        let [(queue, payload)] = &messages[..] else {
            panic!("{what}: {messages:?}");
        };
        assert_eq!(*queue, to, "{what}");
        if path.contains('%') {
            assert!(payload.contains("\"a/b-1\""), "{what}: {payload}");
        }
    }
    for (path, _, status) in OTHERS {
        assert_eq!(gate.get(path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn every_route_is_counted_under_its_own_pattern() {
    let (gate, _) = gate().await;
    let mut counted = Vec::new();
    for (method, path, pattern, _) in functions() {
        let body = whole(if method == Method::GET { "" } else { "{}" });
        let answer = gate.send(method.clone(), &path, body).await.unwrap();
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text);
        counted.push((method, pattern, 200));
    }
    for (path, pattern, status) in OTHERS {
        gate.get(path).await;
        counted.push((Method::GET, pattern.to_owned(), status));
    }
    gate.get("/nope").await;
    counted.push((Method::GET, "unknown".to_owned(), 404));

    let metrics = gate.get("/metrics").await.text;

    for (method, pattern, status) in counted {
        let line = format!(
            "ordershop_http_requests_total{{method=\"{method}\",route=\"{pattern}\",status=\"{status}\"}} 1\n"
        );
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
        let duration =
            format!("ordershop_http_request_duration_seconds_count{{route=\"{pattern}\"}} ");
        assert!(metrics.contains(&duration), "{duration}");
    }
}

#[tokio::test]
async fn unknown_paths_are_answered_with_the_list_of_routes() {
    let (gate, _) = gate().await;
    for path in [
        "/nope",
        "/order/",
        "/order/1/2",
        "/orders/lost",
        "/mails",
        "/mail/1",
        "/page/x",
        "/orders/",
        "//",
    ] {
        let answer = gate.get(path).await;
        answer.is_error(404, path);
        assert!(answer.text.contains("/report/orders"), "{}", answer.text);
    }
    let mut stream = tokio::net::TcpStream::connect(gate.address).await.unwrap();
    let head = "OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(answer.contains("/report/orders"), "{answer}");
}

#[tokio::test]
async fn ids_that_are_too_long_or_not_text_are_refused() {
    let (gate, _) = gate().await;
    for path in [
        format!("/order/{}", "x".repeat(201)),
        "/order/%ff".into(),
        "/order/%2".into(),
    ] {
        gate.get(&path).await.is_error(400, &path);
    }
    let longest = format!("/order/{}", "x".repeat(200));
    assert_eq!(gate.get(&longest).await.status, 200);
}
