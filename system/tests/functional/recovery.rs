//! Failures and recovery: of the cache, of Redis, of the whole system.

use ordershop_redis::connection::RedisLink;
use serde_json::json;

use crate::shop::{EVENTUALLY_MS, Shop};

/// Deletes all keys of a pattern, of which there are some.
async fn delete(url: &str, pattern: &str) {
    let link = RedisLink::new(url).unwrap();
    let mut deleted = 0;
    for mut connection in link.dedicated_to_each().await.unwrap() {
        let mut find = redis::cmd("KEYS");
        let found = find.arg(pattern).query_async(&mut connection);
        let found: Vec<String> = found.await.unwrap();
        // Each by itself, as a command of a cluster has one slot.
        for key in &found {
            let mut delete = redis::cmd("DEL");
            let delete = delete.arg(key).query_async::<usize>(&mut connection);
            deleted += delete.await.unwrap();
        }
    }
    assert!(deleted > 0, "{pattern}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_cache_is_rebuilt_from_the_events() {
    let mut shop = Shop::open().await;
    let product = shop.customer.product(300, 9).await;
    let customer = shop.customer.customer().await;
    let cart = shop.customer.cart(&customer, &[&product]).await;
    let order = shop.customer.order(&cart).await;
    shop.customer.order_becomes(&order, "IN_STOCK").await;
    let gone = shop.customer.customer().await;
    shop.customer
        .delete(&format!("/customer/{gone}"))
        .await
        .result();
    shop.customer
        .eventually("/mails/sent", |mails| {
            mails.as_array().is_some_and(|mails| mails.len() == 4)
        })
        .await;
    let before = shop.customer.get("/report").await.result().clone();
    let url = shop.redis_url();
    for pattern in [
        "entities:*",
        "index:*",
        "ids:*",
        "position:*",
        "reservations:*",
    ] {
        delete(&url, pattern).await;
    }

    shop.reopen().await;

    assert_eq!(shop.customer.get("/report").await.result(), &before);
    // The reservations are known again, too.
    shop.customer
        .delete(&format!("/order/{order}"))
        .await
        .result();
    shop.customer
        .eventually("/inventories", |all| all[0]["amount"] == 9)
        .await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_dies_is_a_503_and_when_it_is_back_all_goes_on() {
    let dir = tempfile::TempDir::new().unwrap();
    let redis_dir = dir.path().join("redis");
    let durability = ordershop_redis::durability::Durability::Always;
    let redis = ordershop_redis::server::RedisServer::start(&redis_dir, durability)
        .await
        .unwrap();
    let url = redis.url().to_owned();
    let shop = Shop::open_on(&url).await;
    let http = shop.customer.clone();
    let customer = http.customer().await;

    let pid = redis.pid().unwrap().to_string();
    std::process::Command::new("kill")
        .args(["-KILL", &pid])
        .status()
        .unwrap();
    let refused = http
        .post("/customer", &json!({"name": "Eve", "email": "e"}))
        .await;
    assert!(
        [503, 504].contains(&refused.status),
        "{} {}",
        refused.status,
        refused.body
    );
    assert!(refused.body["error"].is_string(), "{}", refused.body);
    let deadline = std::time::Instant::now() + std::time::Duration::from_millis(EVENTUALLY_MS);
    while http.get("/health").await.status != 503 {
        assert!(std::time::Instant::now() < deadline, "/health stayed ready");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    drop(redis);
    let redis = ordershop_redis::server::RedisServer::start(&redis_dir, durability)
        .await
        .unwrap();
    assert_eq!(redis.url(), url, "the same socket");
    while http.get("/health").await.status != 200 {
        assert!(
            std::time::Instant::now() < deadline,
            "/health never came back"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }

    http.eventually(
        &format!("/customer/{customer}"),
        serde_json::Value::is_object,
    )
    .await;
    let product = http.product(3, 3).await;
    let order = http.order(&http.cart(&customer, &[&product]).await).await;
    http.order_becomes(&order, "IN_STOCK").await;
    shop.close().await;
    redis.stop().await;
}
