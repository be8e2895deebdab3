//! Checks the state of a shop after failures: every accepted order is delivered, and each effect happened once.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use ordershop_redis::connection::RedisLink;
use serde_json::{Value, json};

use crate::buyers::{created, hand_over};
use crate::customer::{Customer, EVENTUALLY_MS};

/// The interval of the checks.
const LOOK: Duration = Duration::from_millis(50);

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Pays unpaid orders and delivers shipped ones until every order is DELIVERED; returns the number of orders. (It may exceed the accepted
/// ones: an order may exist whose creation was not answered.)
pub async fn bring_to_an_end(http: &Customer, accepted: &HashSet<String>, price: u64) -> usize {
    let settled = |orders: &Value| {
        list(orders)
            .iter()
            .all(|order| order["status"] != "CREATED")
    };
    let orders = http.eventually("/orders", settled).await;
    for order in list(&orders) {
        if order["status"] == "IN_STOCK" {
            let billing = json!({"order_id": order["entity_id"], "amount": price});
            // Refused if the payment was accepted and its event is not handled yet.
            created(http, "/billing", &billing).await;
        }
    }
    let shipped = |orders: &Value| {
        list(orders)
            .iter()
            .all(|order| order["status"] == "SHIPPED" || order["status"] == "DELIVERED")
    };
    http.eventually("/orders", shipped).await;
    hand_over(http).await;
    let delivered = |orders: &Value| {
        list(orders)
            .iter()
            .all(|order| order["status"] == "DELIVERED")
    };
    let orders = http.eventually("/orders", delivered).await;
    let there: HashSet<&str> = list(&orders)
        .iter()
        .map(|order| order["entity_id"].as_str().unwrap())
        .collect();
    for order in accepted {
        assert!(
            there.contains(order.as_str()),
            "accepted order {order} is lost"
        );
    }
    there.len()
}

/// Checks one billing, one shipping and three mails an order, one welcome for the one customer, and one piece less in stock an order.
pub async fn adds_up(http: &Customer, product: &str, stock: u64, orders: usize) {
    assert_eq!(http.stock_of(product).await, stock - orders as u64);
    for path in ["/billings", "/shippings"] {
        let answer = http.get(path).await;
        let of: HashSet<&str> = list(answer.result())
            .iter()
            .map(|entity| entity["order_id"].as_str().unwrap())
            .collect();
        assert_eq!(list(answer.result()).len(), orders, "{path}");
        assert_eq!(of.len(), orders, "{path}: two for one order");
    }
    let sent = |mails: &Value| list(mails).len() > 3 * orders;
    let mails = http.eventually("/mails/sent", sent).await;
    assert_eq!(list(&mails).len(), 3 * orders + 1, "mails");
}

/// Checks that there are no dead letters, no backlog, nothing pending or waiting, and no processing list of a dead worker.
pub async fn nothing_is_left_over(http: &Customer, redis_url: &str) {
    let left = |metrics: &Value| -> Vec<String> {
        let text = metrics.as_str().unwrap_or("no metrics 1");
        let counts = [
            "dead_letters{",
            "group_backlog{",
            "group_pending{",
            "queue_depth{",
        ];
        text.lines()
            .filter(|line| counts.iter().any(|count| line.contains(count)))
            .filter(|line| !line.ends_with(" 0"))
            .map(str::to_owned)
            .collect()
    };
    let deadline = Instant::now() + Duration::from_millis(EVENTUALLY_MS);
    loop {
        let metrics = http.get("/metrics").await;
        assert_eq!(metrics.status, 200, "{}", metrics.body);
        let mut left = left(&metrics.body);
        left.extend(lists_left(redis_url).await);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "left over: {left:#?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// The queue's lists that are not empty (Redis deletes empty ones). Reply lists are not counted: they expire.
async fn lists_left(redis_url: &str) -> Vec<String> {
    let mut connection = RedisLink::new(redis_url)
        .unwrap()
        .dedicated()
        .await
        .unwrap();
    let mut left = Vec::new();
    for pattern in ["mq:*:processing:*", "mq:*:delayed", "mq:*:dead"] {
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg(pattern)
            .query_async(&mut connection)
            .await
            .unwrap();
        left.extend(keys);
    }
    left
}
