//! The system starts before its Redis.

use crate::deployment::config_on;
use crate::shop::Customer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_starts_before_its_redis_answers_503_until_it_is_there() {
    let dir = tempfile::TempDir::new().unwrap();
    let socket = dir.path().canonicalize().unwrap().join("redis.sock");
    let config = config_on(&format!("redis+unix://{}", socket.display()));
    let app = ordershop::app::App::start(&config).await.unwrap();
    let http = Customer::new(app.url().unwrap());
    let health = http.get("/health").await;
    assert_eq!(health.status, 503, "{}", health.body);
    assert_eq!(health.body["live"], true, "{}", health.body);
    let refused = http.get("/products?limit=1").await;
    assert!(
        [503, 504].contains(&refused.status),
        "{} {}",
        refused.status,
        refused.body
    );
    let durability = ordershop_redis::durability::Durability::None;
    let redis = ordershop_redis::server::RedisServer::start(dir.path(), durability)
        .await
        .unwrap();
    app.ready().await;
    http.customer().await;
    app.stop().await;
    redis.stop().await;
}
