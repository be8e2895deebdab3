//! Two systems on one Redis: both serve, one leads, and the other takes over when that one dies.

use std::collections::HashSet;

use ordershop_redis::durability::Durability;
use ordershop_redis::server::RedisServer;
use serde_json::json;

use crate::customer::Customer;
use crate::program::{Program, signal};

/// The number of products that each system is asked to create at once.
const PRODUCTS: usize = 40;

async fn create(http: &Customer, from: &str) -> Vec<String> {
    let post = |n: usize| {
        let body = json!({"name": format!("{from} {n}"), "price": 1});
        async move { http.post("/product", &body).await.id() }
    };
    futures_util::future::join_all((0..PRODUCTS).map(post)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_systems_on_one_redis_both_serve_and_one_survives_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(dir.path(), Durability::None)
        .await
        .unwrap();
    let args = ["up", "--listen", "127.0.0.1:0", "--redis-url", redis.url()];
    let mut first = Program::start(&args);
    let one = Customer::new(first.url().await);
    let mut second = Program::start(&args);
    let two = Customer::new(second.url().await);

    let (mut accepted, more) = tokio::join!(create(&one, "one"), create(&two, "two"));
    accepted.extend(more);
    assert_eq!(accepted.iter().collect::<HashSet<_>>().len(), 2 * PRODUCTS);

    signal(first.pid(), "-KILL");
    first.ended().await;
    let later = json!({"name": "later", "price": 1});
    accepted.push(two.posted("/product", &later).await);
    accepted.extend(create(&two, "after").await);
    for product in &accepted {
        let found = two.get(&format!("/product/{product}")).await;
        assert!(found.result().is_object(), "{product} is lost");
    }
    second.stop().await;
    redis.stop().await;
}
