//! Buyers who order and pay, and a courier who delivers, while services fail. A request that is answered with an error doesn't count as
//! accepted and is retried.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::{Method, Request};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::customer::{Answer, Customer};

/// The number of concurrent buyers.
const BUYERS: usize = 4;
/// The pause before a refused request is retried.
const AGAIN: Duration = Duration::from_millis(20);

/// Running buyers and a courier.
pub struct Buyers {
    tasks: JoinSet<()>,
    stop: CancellationToken,
    accepted: Arc<Mutex<HashSet<String>>>,
}

impl Buyers {
    /// Starts them on a shop: they buy one piece of `product` an order.
    pub fn start(http: &Customer, customer: &str, product: &str, price: u64) -> Self {
        let mut buyers = Self {
            tasks: JoinSet::new(),
            stop: CancellationToken::new(),
            accepted: Arc::default(),
        };
        for _ in 0..BUYERS {
            let buyer = Buyer {
                http: http.clone(),
                cart: json!({"customer_id": customer, "product_ids": [product]}),
                price,
                accepted: Arc::clone(&buyers.accepted),
                stop: buyers.stop.clone(),
            };
            buyers.tasks.spawn(async move { buyer.buy_on().await });
        }
        buyers
            .tasks
            .spawn(courier(http.clone(), buyers.stop.clone()));
        buyers
    }

    /// The number of orders accepted so far.
    pub fn accepted(&self) -> usize {
        self.accepted.lock().unwrap().len()
    }

    /// Stops them; returns the accepted orders.
    pub async fn stop(mut self) -> HashSet<String> {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        std::mem::take(&mut self.accepted.lock().unwrap())
    }
}

struct Buyer {
    http: Customer,
    cart: Value,
    price: u64,
    accepted: Arc<Mutex<HashSet<String>>>,
    stop: CancellationToken,
}

impl Buyer {
    async fn buy_on(&self) {
        while !self.stop.is_cancelled() {
            let Some(cart) = created(&self.http, "/cart", &self.cart).await else {
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            let Some(order) = created(&self.http, "/order", &json!({"cart_id": cart})).await else {
                continue;
            };
            self.accepted.lock().unwrap().insert(order.clone());
            self.pay(&order).await;
        }
    }

    /// Pays once the order is in stock. A payment without an answer may have been accepted, so the order's status is read again.
    async fn pay(&self, order: &str) {
        while !self.stop.is_cancelled() {
            match status(&self.http, order).await.as_deref() {
                Some("IN_STOCK") => {
                    let billing = json!({"order_id": order, "amount": self.price});
                    created(&self.http, "/billing", &billing).await;
                }
                Some("CLEARED" | "SHIPPED" | "DELIVERED") => return,
                _ => {}
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

async fn courier(http: Customer, stop: CancellationToken) {
    while !stop.is_cancelled() {
        hand_over(&http).await;
        tokio::time::sleep(AGAIN).await;
    }
}

/// Marks every open shipping as delivered.
pub async fn hand_over(http: &Customer) {
    let Some(answer) = asked(http, Method::GET, "/shippings", "").await else {
        return;
    };
    for shipping in answer.body["result"].as_array().into_iter().flatten() {
        if shipping["delivered"] == 0 {
            let path = format!("/shipping/{}", shipping["entity_id"].as_str().unwrap());
            let body = json!({"order_id": shipping["order_id"], "delivered": 1_700_000_000});
            asked(http, Method::PUT, &path, &body.to_string()).await;
        }
    }
}

async fn status(http: &Customer, order: &str) -> Option<String> {
    let answer = asked(http, Method::GET, &format!("/order/{order}"), "").await?;
    answer.body["result"]["status"].as_str().map(str::to_owned)
}

/// The id of the created entity, if the answer is a success.
pub async fn created(http: &Customer, path: &str, body: &Value) -> Option<String> {
    let answer = asked(http, Method::POST, path, &body.to_string()).await?;
    Some(answer.id())
}

/// The answer, if it is a success.
async fn asked(http: &Customer, method: Method, path: &str, body: &str) -> Option<Answer> {
    let request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", http.url))
        .header("content-type", "application/json")
        .body(http_body_util::Full::from(body.to_owned()))
        .unwrap();
    let answer = http.send(request).await.ok()?;
    (answer.status == 200).then_some(answer)
}
