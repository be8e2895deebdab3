//! Redis is killed while a service stands between two effects, and comes back without the first: the service must not do the second as if that
//! were there.

use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::topic::Topic;
use ordershop_redis::durability::Durability;
use ordershop_redis::server::RedisServer;

use crate::aof::cut_before_last_append;
use crate::audit;
use crate::buyers::orders_once;
use crate::process::{Action, Armed, LOOK, LOOKS_MAX, Port, ShopProcess, signal};
use crate::walk::every;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_does_not_outlive_the_one_that_led_to_it() {
    let places = vec![
        // The reservation, before the order is told that it is in stock.
        (Failpoint::StockReserved, Topic::Inventory),
        // The order's mark on its cart, before the order.
        (Failpoint::CreationBegun, Topic::Cart),
    ];
    every(places, |(point, topic)| lost_at(point, topic)).await;
}

/// Redis loses the topic's last event, and whatever followed it, while the service stands at this point. Each service is a process of its own, so
/// that the event store knows the new Redis by the time that the service goes on.
async fn lost_at(point: Failpoint, topic: Topic) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    // Whatever was answered is in the file: only what is cut off is lost.
    let start = || RedisServer::start(dir.path(), Durability::Always);
    let redis = start().await.unwrap();
    let redis_url = redis.url().to_owned();
    let armed = Armed {
        point,
        pass: 1,
        action: Action::Stop,
    };
    let args = ["--processes", "--redis-url", &redis_url];
    let mut shop = ShopProcess::start(Port::free(), &args, Some(armed));
    shop.ready().await;
    let customer = shop.customer();
    let ordering = tokio::spawn({
        let redis_url = redis_url.clone();
        async move { orders_once(&customer, &redis_url).await }
    });
    shop.interrupted().await?;
    let service = shop.stopped().ok_or("no service is stopped")?;

    signal(redis.pid().unwrap(), "-KILL");
    drop(redis);
    cut_before_last_append(dir.path(), topic);
    let _redis = start().await.unwrap();
    // The others have found it: queue, event store and read model answer.
    let customer = shop.customer();
    let mut looks = 0;
    while customer.get("/products").await.status != 200 {
        looks += 1;
        assert!(looks < LOOKS_MAX, "not back: {}", shop.log());
        tokio::time::sleep(LOOK).await;
    }
    signal(service, "-CONT");

    let ordered = ordering.await;
    ordered.map_err(|error| format!("{error}: {}", shop.log()))?;
    audit::passes(&shop.customer(), &redis_url).await
}
