//! Redis loses its last moment, or everything, while the system lives on.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use hyper::Method;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::server::RedisServer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::customer::EVENTUALLY_MS;
use crate::feed;
use crate::shop::Shop;

/// How long the feed may take to send a frame.
const FEED_WAIT: Duration = Duration::from_millis(2 * EVENTUALLY_MS);

/// A Redis that comes back as it was saved.
struct Forgetful {
    server: RedisServer,
    dir: TempDir,
}

impl Forgetful {
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let server = Self::server(dir.path()).await;
        Self { server, dir }
    }

    async fn server(dir: &Path) -> RedisServer {
        RedisServer::start(dir, Durability::None).await.unwrap()
    }

    async fn command(&self, name: &str) {
        let link = RedisLink::new(self.server.url()).unwrap();
        let mut connection = link.dedicated().await.unwrap();
        let done: String = redis::cmd(name).query_async(&mut connection).await.unwrap();
        assert_eq!(done, "OK");
    }

    async fn go_back(&mut self) {
        let pid = self.server.pid().unwrap().to_string();
        let kill = std::process::Command::new("kill")
            .args(["-KILL", &pid])
            .status();
        assert!(kill.unwrap().success());
        self.server = Self::server(self.dir.path()).await;
    }
}

/// Reads the feed until a frame fits.
async fn frame(
    socket: &mut (impl StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin),
    fits: impl Fn(&Value) -> bool,
) -> Value {
    let reading = async {
        loop {
            if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                let frame = serde_json::from_str(&text).unwrap();
                if fits(&frame) {
                    return frame;
                }
            }
        }
    };
    tokio::time::timeout(FEED_WAIT, reading).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_redis_lost_is_decided_again_on_what_is_left() {
    let mut redis = Forgetful::start().await;
    let shop = Shop::open_on(redis.server.url()).await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let product = http.product(100, 10).await;
    let (first, second) = (
        http.cart(&customer, &[&product, &product, &product]).await,
        http.cart(&customer, &[&product, &product]).await,
    );
    let inventory = http.inventory().await;
    redis.command("SAVE").await;
    let order = http.order(&first).await;
    http.order_becomes(&order, "IN_STOCK").await;

    redis.go_back().await;

    let path = format!("/inventory/{inventory}");
    http.eventually(&path, |inventory| inventory["amount"] == 10)
        .await;
    http.eventually(&format!("/order/{order}"), Value::is_null)
        .await;
    // The saga remembers what it left in stock, at the version that this change has now.
    let empty = json!({"product_id": product, "amount": 0});
    http.insist(Method::PUT, &path, &empty).await;
    let order = http.posted("/order", &json!({"cart_id": second})).await;
    http.order_becomes(&order, "OUT_OF_STOCK").await;
    http.eventually(&path, |inventory| inventory["amount"] == 0)
        .await;
    shop.close().await;
    redis.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_flush_the_shop_is_empty_and_sells_again() {
    let redis = Forgetful::start().await;
    let shop = Shop::open_on(redis.server.url()).await;
    let http = &shop.customer;
    let before = http.customer().await;
    let product = http.product(100, 10).await;
    let order = http.order(&http.cart(&before, &[&product]).await).await;
    http.order_becomes(&order, "IN_STOCK").await;

    redis.command("FLUSHALL").await;

    let person = json!({"name": "Ada", "email": "ada@example.com"});
    let customer = http.posted("/customer", &person).await;
    let product = http
        .posted("/product", &json!({"name": "Tea", "price": 7}))
        .await;
    let stock = json!({"product_id": product, "amount": 5});
    http.posted("/inventory", &stock).await;
    let cart = json!({"customer_id": customer, "product_ids": [product]});
    let cart = http.posted("/cart", &cart).await;
    let order = http.posted("/order", &json!({"cart_id": cart})).await;
    http.order_becomes(&order, "IN_STOCK").await;
    http.posted("/billing", &json!({"order_id": order, "amount": 7}))
        .await;
    http.order_becomes(&order, "SHIPPED").await;
    http.eventually(&format!("/customer/{before}"), Value::is_null)
        .await;
    shop.close().await;
    redis.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_whose_events_redis_lost_is_closed_and_begins_at_the_end_that_is_left() {
    let mut redis = Forgetful::start().await;
    let shop = Shop::open_on(redis.server.url()).await;
    let http = &shop.customer;
    http.customer().await;
    redis.command("SAVE").await;
    let url = format!("{}/events?topics=customer", http.url.replace("http", "ws"));
    let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    frame(&mut socket, |frame| frame["type"] == "hello").await;
    http.customer().await;
    let events = frame(&mut socket, |frame| frame["type"] == "events").await;
    let position = events["events"][0]["position"].as_str().unwrap().to_owned();

    redis.go_back().await;

    let closed = async {
        loop {
            if let Message::Close(Some(close)) = socket.next().await.unwrap().unwrap() {
                return close;
            }
        }
    };
    let closed = tokio::time::timeout(FEED_WAIT, closed).await.unwrap();
    assert_eq!(closed.code, CloseCode::Again, "{closed:?}");
    assert!(closed.reason.contains("went back"), "{closed:?}");
    let url = format!("{url}&after=customer={position}");
    let (mut again, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    let hello = frame(&mut again, |frame| frame["type"] == "hello").await;
    let parsed = |text: &str| {
        text.parse::<ordershop_contract::position::Position>()
            .unwrap()
    };
    let starts = parsed(hello["positions"]["customer"].as_str().unwrap());
    assert!(starts < parsed(&position), "{hello}");
    feed::tells_the_next(&mut again, http).await;
    shop.close().await;
    redis.server.stop().await;
}
