//! A sampled request (by the flag in `traceparent`) gets its times: in its answer, in the events that it causes and in the feed of sampled
//! requests. Other requests get none.

use futures_util::StreamExt;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request};
use ordershop_contract::partition::Partitions;
use ordershop_contract::topic::Topic;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::shop::{EVENTUALLY_MS, Shop};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn request(method: Method, url: String, flags: &str, body: &Value) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(url)
        .header(
            "traceparent",
            format!("00-{TRACE}-00f067aa0ba902b7-{flags}"),
        )
        .body(body.to_string().into())
        .unwrap()
}

/// The names and durations in a `Server-Timing` header.
fn parts(header: &str) -> Vec<(&str, f64)> {
    header
        .split(", ")
        .map(|part| {
            let (name, duration) = part.split_once(";dur=").unwrap();
            (name, duration.parse().unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sampled_request_is_told_what_took_its_time_and_another_is_not() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let body = json!({"name": "Ada", "email": "ada@example.com"});
    let post =
        |flags: &'static str| request(Method::POST, format!("{}/customer", http.url), flags, &body);

    let sampled = http.send(post("01")).await.unwrap();
    let silent = http.send(post("00")).await.unwrap();
    let id = sampled.id();
    let read = request(
        Method::GET,
        format!("{}/customer/{id}", http.url),
        "01",
        &Value::Null,
    );
    let read = http.send(read).await.unwrap();

    let told = |answer: &crate::customer::Answer| {
        let header = answer.headers.get("server-timing");
        header.map(|value| value.to_str().unwrap().to_owned())
    };
    let written = told(&sampled).unwrap();
    let names: Vec<&str> = parts(&written).iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["gateway", "queue", "handler", "append", "reply"]);
    assert!(
        parts(&written).iter().all(|(_, ms)| *ms >= 0.0),
        "{written}"
    );
    let read_told = told(&read).unwrap();
    let names: Vec<&str> = parts(&read_told).iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["gateway", "queue", "handler", "reply"]);
    assert_eq!(read.body["result"]["name"], "Ada");
    assert!(read.body.get("handler").is_none(), "{}", read.body);
    assert_eq!(told(&silent), None);
    // The event of the sampled request has its times, in order; the other event has none.
    let mut events = Vec::new();
    let partitions = Partitions::new(crate::PARTITIONS).unwrap();
    for partition in partitions.of_topic(Topic::Customer) {
        let page = http.get(&format!("/events/{partition}")).await;
        events.extend(page.result().as_array().unwrap().clone());
    }
    events.sort_by_key(|event| event["published_at_us"].as_u64());
    let at = |event: &Value, field: &str| event[field].as_u64();
    let (first, second) = (&events[0], &events[1]);
    let received = at(first, "received_at_us").unwrap();
    let submitted = at(first, "submitted_at_us").unwrap();
    assert!(received <= submitted, "{first}");
    assert!(
        submitted <= at(first, "published_at_us").unwrap(),
        "{first}"
    );
    assert!(second.get("received_at_us").is_none(), "{second}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_of_sampled_requests_tells_every_hop_and_when_it_was_projected() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let product = http.product(500, 10).await;
    let url = format!("{}/events?sampled=true", http.url.replace("http", "ws"));
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let cart = http.cart(&customer, &[&product]).await;
    let body = json!({"cart_id": cart, "status": "CREATED"});

    let order = request(Method::POST, format!("{}/order", http.url), "01", &body);
    let order = http.send(order).await.unwrap().id();
    let (mut events, mut batches) = (Vec::new(), Vec::new());
    let told = async {
        loop {
            let message = socket.next().await.expect("the feed ended").unwrap();
            let Message::Text(text) = message else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).unwrap();
            match message["type"].as_str().unwrap() {
                "hello" => assert_eq!(message["sampled"], true),
                "events" => events.extend(message["events"].as_array().unwrap().clone()),
                "projected" => batches.extend(message["batches"].as_array().unwrap().clone()),
                other => panic!("{other} is not for this feed"),
            }
            let in_stock = events
                .iter()
                .find(|event| event["topic"] == "order" && event["data"]["status"] == "IN_STOCK");
            if let Some(event) = in_stock
                && batches.iter().any(|batch| batch["to"] == event["position"])
            {
                return event.clone();
            }
        }
    };
    let wait = std::time::Duration::from_millis(EVENTUALLY_MS);
    let in_stock = tokio::time::timeout(wait, told).await.expect("no event");

    assert!(events.iter().all(|event| event["correlation_id"] == TRACE));
    let created = events
        .iter()
        .find(|e| e["event_id"] == in_stock["causation_id"])
        .unwrap();
    assert_eq!(created["aggregate_id"], json!(order));
    let at = |of: &Value, field: &str| of[field].as_u64().unwrap();
    assert!(
        at(created, "published_at_us") <= at(&in_stock, "received_at_us"),
        "{in_stock}"
    );
    let batch = batches
        .iter()
        .find(|b| b["to"] == in_stock["position"])
        .unwrap();
    assert!(
        at(batch, "received_at_us") <= at(batch, "applied_at_us"),
        "{batch}"
    );
    shop.close().await;
}
