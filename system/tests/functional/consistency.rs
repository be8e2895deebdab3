//! Reads see your own earlier writes; a handler never reads data older than the event or message that it handles.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ordershop_contract::partition::Partitions;
use ordershop_contract::topic::Topic;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::server::RedisServer;
use serde_json::{Value, json};

use crate::deployment::ROUNDS;
use crate::shop::{Customer, Shop};

async fn write_and_read(http: Customer, place: usize) -> usize {
    let mut seen = 0;
    let body = json!({"name": format!("product {place}"), "price": 0});
    for round in 0..ROUNDS {
        let id = http.post("/product", &body).await.id();
        let path = format!("/product/{id}");
        let created = http.get(&path).await;
        assert_eq!(
            created.result()["price"],
            0,
            "round {round}: POST, then GET"
        );
        let changed = json!({"name": "changed", "price": round + 1});
        http.put(&path, &changed).await.result();
        let read = http.get(&path).await;
        assert_eq!(
            read.result()["price"],
            json!(round + 1),
            "round {round}: PUT, then GET"
        );
        http.delete(&path).await.result();
        let gone = http.get(&path).await;
        assert_eq!(
            gone.result(),
            &Value::Null,
            "round {round}: DELETE, then GET"
        );
        seen += 3;
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_seen_by_the_read_that_follows_it_every_time_under_load() {
    let shop = Shop::open().await;
    let writers = (0..4).map(|place| tokio::spawn(write_and_read(shop.customer.clone(), place)));
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (http, stop) = (shop.customer.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    http.post("/product", &json!({"name": "load", "price": 1}))
                        .await
                        .result();
                    http.get("/products?limit=10").await.result();
                }
            })
        })
        .collect();
    let seen: usize = futures_util::future::join_all(writers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .sum();
    stop.store(true, Ordering::Relaxed);
    for load in load {
        load.await.unwrap();
    }
    assert_eq!(seen, 4 * 3 * ROUNDS);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_changed_just_before_it_is_ordered_is_reserved_as_it_was_changed() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let (before, after) = (http.product(1, 1_000).await, http.product(1, 1_000).await);
    for _ in 0..100 {
        let cart = http.cart(&customer, &[&before]).await;
        let changed = json!({"customer_id": customer, "product_ids": [after]});
        http.put(&format!("/cart/{cart}"), &changed).await.result();
        http.order(&cart).await;
    }
    http.eventually("/orders", |orders| {
        orders
            .as_array()
            .unwrap()
            .iter()
            .all(|order| order["status"] == "IN_STOCK")
    })
    .await;
    assert_eq!(http.stock_of(&before).await, 1_000);
    assert_eq!(http.stock_of(&after).await, 900);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_two_gateways_sends_the_position_that_it_was_answered() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let answer = http
        .post("/product", &json!({"name": "Tea", "price": 1}))
        .await;
    let position = answer.headers["x-position"].to_str().unwrap().to_owned();
    assert!(position.starts_with("product"), "{position}");
    let request = hyper::Request::get(format!("{}/product/{}", http.url, answer.id()))
        .header("x-at-least", &position)
        .body(http_body_util::Full::default())
        .unwrap();
    assert_eq!(http.send(request).await.unwrap().result()["price"], 1);
    let request = hyper::Request::get(format!("{}/products", http.url))
        .header("x-at-least", "product=yesterday")
        .body(http_body_util::Full::default())
        .unwrap();
    http.send(request).await.unwrap().refused(400, "yesterday");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_of_a_cart_that_is_not_projected_yet_waits_for_it() {
    // The carts' projection is blocked: the test holds its lease before the system starts.
    let dir = tempfile::TempDir::new().unwrap();
    let redis = RedisServer::start(dir.path(), Durability::None)
        .await
        .unwrap();
    let link = RedisLink::new(redis.url()).unwrap();
    let mut connection = link.dedicated().await.unwrap();
    let partitions = Partitions::new(crate::PARTITIONS).unwrap();
    let leases = partitions.of_topic(Topic::Cart);
    let leases: Vec<String> = leases
        .map(|cart| format!("lease:{{{cart}}}:read-model"))
        .collect();
    for lease in &leases {
        let mut hold = redis::cmd("SET");
        hold.arg(lease).arg("a test").arg("PX").arg(60_000);
        hold.query_async::<()>(&mut connection).await.unwrap();
    }
    let shop = Shop::open_on(redis.url()).await;
    let http = shop.customer.clone();
    let product = http.product(1, 10).await;
    let cart = http.cart(&http.customer().await, &[&product]).await;

    let path = format!("/cart/{cart}");
    let mut read = {
        let (http, path) = (http.clone(), path.clone());
        tokio::spawn(async move { http.get(&path).await })
    };
    let mut order = {
        let (http, cart) = (http.clone(), cart.clone());
        tokio::spawn(async move { http.order(&cart).await })
    };
    let early = tokio::time::timeout(Duration::from_millis(300), &mut read).await;
    assert!(early.is_err(), "read before it was projected: {early:?}");
    let early = tokio::time::timeout(Duration::from_millis(10), &mut order).await;
    assert!(early.is_err(), "ordered before it was projected: {early:?}");
    redis::cmd("DEL")
        .arg(leases)
        .query_async::<()>(&mut connection)
        .await
        .unwrap();

    assert_eq!(
        read.await.unwrap().result()["product_ids"],
        json!([product])
    );
    http.order_becomes(&order.await.unwrap(), "IN_STOCK").await;
    shop.close().await;
    redis.stop().await;
}
