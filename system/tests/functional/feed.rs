//! The live feed: every event in order, and the read model's applied positions.

use futures_util::StreamExt;
use ordershop_contract::position::Position;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::shop::Shop;

/// Reads messages until one fits; fails when the feed falls silent before.
async fn until(
    socket: &mut (impl StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin),
    mut fits: impl FnMut(&Value) -> bool,
) {
    let wait = std::time::Duration::from_millis(crate::shop::EVENTUALLY_MS);
    loop {
        let message = tokio::time::timeout(wait, socket.next()).await;
        let message = message.expect("the feed sent no such message");
        if let Message::Text(text) = message.expect("the feed ended").unwrap()
            && fits(&serde_json::from_str(&text).unwrap())
        {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_tells_every_event_and_that_the_read_model_has_it() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let url = format!(
        "{}/events?topics=customer,order",
        http.url.replace("http", "ws")
    );
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    until(&mut socket, |message| message["type"] == "hello").await;
    let customer = http.customer().await;
    http.post("/product", &json!({"name": "Tea", "price": 1}))
        .await
        .id();
    let (mut event, mut applied) = (Value::Null, Position::START);
    until(&mut socket, |message| {
        for seen in message["events"].as_array().into_iter().flatten() {
            assert_ne!(seen["topic"], "product", "a topic that was not asked for");
            event = seen.clone();
        }
        if let Some(position) = message["positions"]["customer"].as_str() {
            applied = position.parse().unwrap();
        }
        let position = event["position"]
            .as_str()
            .map(|text| text.parse::<Position>().unwrap());
        position.is_some_and(|position| applied >= position)
    })
    .await;
    assert_eq!(event["action"], "entity_created");
    assert_eq!(event["aggregate_id"], json!(customer));
    assert_eq!(event["version"], 1);
    assert_eq!(event["data"]["email"], "ada@example.com");
    assert_eq!(event["correlation_id"].as_str().unwrap().len(), 32);
    assert!(event["published_at_us"].as_u64().unwrap() > 1_600_000_000_000_000);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_was_interrupted_goes_on_where_it_was() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(http.customer().await);
    }
    let url = format!(
        "{}/events?topics=customer&after=customer=0-0",
        http.url.replace("http", "ws")
    );
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let writer = {
        let http = http.clone();
        tokio::spawn(async move {
            let mut ids = Vec::new();
            for _ in 0..200 {
                ids.push(http.customer().await);
            }
            ids
        })
    };
    let mut seen = Vec::new();
    until(&mut socket, |message| {
        for event in message["events"].as_array().into_iter().flatten() {
            seen.push(event["aggregate_id"].as_str().unwrap().to_owned());
        }
        seen.len() >= 220
    })
    .await;
    ids.extend(writer.await.unwrap());
    assert_eq!(
        seen, ids,
        "history and what is new, without a gap or a repeat"
    );
    shop.close().await;
}
