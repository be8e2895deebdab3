//! The live feed: every event in order, and the read model's applied positions.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use ordershop_contract::position::Position;
use ordershop_redis::connection::RedisLink;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::customer::Customer;
use crate::shop::Shop;

/// An open feed.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long an idle shop is counted.
const COUNTED: Duration = Duration::from_secs(3);
/// What an open feed on which nothing happens may add to the commands of Redis in that time: some 30 a second, of which the followers of the
/// eight topics take two each.
const FEED_COMMANDS_MAX: u64 = 150;

/// A feed of the customers, from now on.
pub async fn of_customers(http: &Customer) -> Socket {
    let url = format!("{}/events?topics=customer", http.url.replace("http", "ws"));
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    until(&mut socket, |message| message["type"] == "hello").await;
    socket
}

/// Creates a customer; waits until the feed has told it, and that the read model has it.
pub async fn tells_the_next(socket: &mut Socket, http: &Customer) {
    let person = json!({"name": "Ada", "email": "ada@example.com"});
    let customer = http.posted("/customer", &person).await;
    let (mut told, mut applied) = (None::<Position>, Position::START);
    until(socket, |message| {
        for event in message["events"].as_array().into_iter().flatten() {
            if event["aggregate_id"] == json!(customer) {
                told = Some(event["position"].as_str().unwrap().parse().unwrap());
            }
        }
        if let (Some("applied"), Some(position)) = (
            message["type"].as_str(),
            message["positions"]["customer"].as_str(),
        ) {
            applied = position.parse().unwrap();
        }
        told.is_some_and(|told| applied >= told)
    })
    .await;
}

/// Reads messages until one fits; fails when the feed falls silent before.
async fn until(socket: &mut Socket, mut fits: impl FnMut(&Value) -> bool) {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_the_feed_tells_what_is_applied() {
    let mut shop = Shop::open().await;
    let mut socket = of_customers(&shop.customer).await;
    tells_the_next(&mut socket, &shop.customer).await;

    shop.reopen().await;

    let mut socket = of_customers(&shop.customer).await;
    tells_the_next(&mut socket, &shop.customer).await;
    shop.close().await;
}

/// The commands that Redis has carried out, by name; those that count them are left out.
async fn commands(url: &str) -> HashMap<String, u64> {
    let mut connection = RedisLink::new(url).unwrap().dedicated().await.unwrap();
    let mut info = redis::cmd("INFO");
    let info: String = info
        .arg("commandstats")
        .query_async(&mut connection)
        .await
        .unwrap();
    let lines = info
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="));
    lines
        .map(|(name, rest)| {
            let calls = rest.split(',').next().unwrap();
            (name.to_owned(), calls.parse().unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_on_which_nothing_happens_asks_nobody() {
    let shop = Shop::open().await;
    let url = shop.redis_url();
    // The last messages of the start are answered.
    tokio::time::sleep(COUNTED).await;
    let before = commands(&url).await;
    tokio::time::sleep(COUNTED).await;
    let alone = commands(&url).await;
    let mut socket = of_customers(&shop.customer).await;
    until(&mut socket, |message| message["type"] == "applied").await;

    let opened = commands(&url).await;
    let told = tokio::time::timeout(COUNTED, socket.next()).await;
    let after = commands(&url).await;

    assert!(told.is_err(), "{told:?}");
    let sum = |all: &HashMap<String, u64>| all.values().sum::<u64>();
    let (without, with) = (sum(&alone) - sum(&before), sum(&after) - sum(&opened));
    assert!(
        with <= without + FEED_COMMANDS_MAX,
        "{without} commands without a feed, {with} with one"
    );
    assert_eq!(
        after.get("rpush"),
        opened.get("rpush"),
        "a message was sent"
    );
    shop.close().await;
}
