//! Buyers whose shop is interrupted: each orders the only piece of a product, then pays and is delivered to, or gives the order up, or takes
//! the payment back. What isn't answered with success is sent again under the same key. They remember every answer. A foreign service ships
//! too early and books payments too late, which the shop must take back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http_body_util::Full;
use hyper::{Method, Request};
use ordershop_contract::position::Positions;
use ordershop_contract::topic::Topic;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::customer::{Answer, Customer};
use crate::foreign_service::ForeignService;
use crate::process::{LOOK, LOOKS_MAX, PATIENCE};

/// The number of concurrent buyers.
const BUYERS: usize = 2;
/// The price of every product.
const PRICE: u64 = 7;
/// The time of every delivery.
const DELIVERED: u64 = 1_700_000_000;

/// What was answered: a path, and what must be found there in the end.
pub type Answered = Vec<(String, Expected)>;

/// What must be found of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    There,
    Gone,
    With(&'static str, Value),
}

impl Expected {
    /// Whether a result fits.
    pub fn fits(&self, result: &Value) -> bool {
        match self {
            Self::There => result.is_object(),
            Self::Gone => result.is_null(),
            Self::With(field, value) => result[field] == *value,
        }
    }
}

/// Running buyers.
pub struct Buyers {
    tasks: JoinSet<()>,
    finish: Arc<AtomicBool>,
    answered: Arc<Mutex<Answered>>,
}

impl Buyers {
    /// Starts them, and a foreign service on the shop's Redis.
    pub fn start(http: &Customer, redis_url: &str) -> Self {
        let mut buyers = Self {
            tasks: JoinSet::new(),
            finish: Arc::default(),
            answered: Arc::default(),
        };
        for _ in 0..BUYERS {
            let buyer = Buyer {
                http: http.clone(),
                foreign: ForeignService::on(redis_url),
                known: Mutex::default(),
                answered: Arc::clone(&buyers.answered),
            };
            let finish = Arc::clone(&buyers.finish);
            buyers.tasks.spawn(async move {
                while !finish.load(Ordering::Relaxed) {
                    buyer.buys_all().await;
                }
                // The shop goes on after the interruption, too.
                buyer.buys_all().await;
            });
        }
        buyers
    }

    /// Waits until something is answered.
    pub async fn are_answered(&self) {
        self.are_answered_beyond(0).await;
    }

    /// Waits until more than `count` things are answered.
    pub async fn are_answered_beyond(&self, count: usize) {
        while self.answered.lock().unwrap().len() <= count {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends them where they are; returns what was answered, but for the orders that they may be giving up.
    pub async fn abandon(mut self) -> Answered {
        self.tasks.shutdown().await;
        let mut answered = std::mem::take(&mut *self.answered.lock().unwrap());
        answered.retain(|(path, expected)| {
            !path.starts_with("/order/") || *expected != Expected::There
        });
        answered
    }

    /// Lets each finish what it does and buy once more; returns everything that was answered.
    pub async fn finish(mut self) -> Answered {
        self.finish.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        std::mem::take(&mut *self.answered.lock().unwrap())
    }
}

/// One customer orders once; returns when the order is in stock.
pub async fn orders_once(http: &Customer, redis_url: &str) {
    let buyer = Buyer {
        http: http.clone(),
        foreign: ForeignService::on(redis_url),
        known: Mutex::default(),
        answered: Arc::default(),
    };
    let customer = buyer.registers().await;
    buyer.orders(&customer).await;
}

struct Buyer {
    http: Customer,
    foreign: ForeignService,
    /// What every answer must include: the foreign service's events.
    known: Mutex<Positions>,
    answered: Arc<Mutex<Answered>>,
}

impl Buyer {
    /// One order whose payment is taken back and made again, one that is given up and paid all the same, and one that is shipped before it is
    /// paid.
    async fn buys_all(&self) {
        let customer = self.registers().await;
        let order = self.orders(&customer).await;
        self.takes_its_payment_back(&order).await;
        self.pays_and_gets(&order).await;
        let order = self.orders(&customer).await;
        self.gives_up(&order).await;
        self.is_billed_too_late(&order).await;
        let order = self.orders(&customer).await;
        self.is_shipped_too_early(&order).await;
        self.pays_and_gets(&order).await;
    }

    /// Creates two customers, one of them asynchronously; returns the other one.
    async fn registers(&self) -> String {
        let body = json!({"name": "Bea", "email": "bea@example.com"});
        let answer = self.sends(Method::POST, "/customers", &body, &[]).await;
        let id = answer.result().as_str().unwrap().to_owned();
        self.expects(format!("/customer/{id}"), Expected::There);
        self.creates("customer", &body).await
    }

    async fn creates(&self, entity: &str, body: &Value) -> String {
        let path = format!("/{entity}");
        let id = self.sends(Method::POST, &path, body, &[]).await.id();
        self.expects(format!("{path}/{id}"), Expected::There);
        id
    }

    /// Orders the only piece of a new product; returns the order, which is in stock.
    async fn orders(&self, customer: &str) -> String {
        let body = json!({"name": "Tea", "price": PRICE});
        let product = self.creates("product", &body).await;
        let body = json!({"product_id": product, "amount": 1});
        self.creates("inventory", &body).await;
        let body = json!({"customer_id": customer, "product_ids": [product]});
        let cart = self.creates("cart", &body).await;
        let body = json!({"cart_id": cart});
        let answer = self.sends(Method::POST, "/order", &body, &[409]).await;
        let order = if answer.status == 409 {
            // An attempt without an answer has ordered the cart.
            self.finds("/orders", "cart_id", &cart).await
        } else {
            answer.id()
        };
        let path = format!("/order/{order}");
        self.expects(path.clone(), Expected::There);
        match self.sees(&path, &["IN_STOCK", "OUT_OF_STOCK"]).await {
            "IN_STOCK" => order,
            _ => self.ordered_before(&cart, &order).await,
        }
    }

    /// The order of an attempt without an answer, which took the piece; without one, nobody did.
    async fn ordered_before(&self, cart: &str, order: &str) -> String {
        let all = self.sends(Method::GET, "/orders", &Value::Null, &[]).await;
        let mut all = all.result().as_array().unwrap().iter();
        let other = all.find(|other| other["cart_id"] == cart && other["entity_id"] != order);
        let other = other.unwrap_or_else(|| {
            panic!("order {order} is out of stock, but nobody else ordered its product")
        });
        let other = other["entity_id"].as_str().unwrap().to_owned();
        self.sees(&format!("/order/{other}"), &["IN_STOCK"]).await;
        other
    }

    async fn pays_and_gets(&self, order: &str) {
        let path = format!("/order/{order}");
        let body = json!({"order_id": order, "amount": PRICE});
        let answer = self.sends(Method::POST, "/billing", &body, &[409]).await;
        if answer.status == 200 {
            self.expects(format!("/billing/{}", answer.id()), Expected::There);
        }
        self.sees(&path, &["SHIPPED"]).await;
        let shipping = self.finds("/shippings", "order_id", order).await;
        let shipping = format!("/shipping/{shipping}");
        let body = json!({"order_id": order, "delivered": DELIVERED});
        self.sends(Method::PUT, &shipping, &body, &[]).await;
        self.expects(shipping, Expected::With("delivered", json!(DELIVERED)));
        self.sees(&path, &["DELIVERED"]).await;
        self.expects(path, Expected::With("status", json!("DELIVERED")));
    }

    async fn gives_up(&self, order: &str) {
        let path = format!("/order/{order}");
        // Not found: an attempt without an answer has deleted it.
        self.sends(Method::DELETE, &path, &Value::Null, &[404])
            .await;
        let mut answered = self.answered.lock().unwrap();
        answered.retain(|(other, _)| *other != path);
        answered.push((path, Expected::Gone));
    }

    /// The foreign service books a payment of an order that is gone; the shop returns it.
    async fn is_billed_too_late(&self, order: &str) {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let billing = json!({"entity_id": id, "order_id": order, "amount": PRICE});
        let position = self.foreign.creates(Topic::Billing, &billing).await;
        self.is_taken_back(Topic::Billing, &id, position).await;
    }

    /// The foreign service ships an order that isn't paid; the shop withdraws the shipping.
    async fn is_shipped_too_early(&self, order: &str) {
        let id = format!("{order}-shipping");
        let shipping = json!({"entity_id": id, "order_id": order, "delivered": 0});
        let position = self.foreign.creates(Topic::Shipping, &shipping).await;
        self.is_taken_back(Topic::Shipping, &id, position).await;
    }

    async fn is_taken_back(&self, topic: Topic, id: &str, created: Positions) {
        self.known.lock().unwrap().merge(&created);
        let path = format!("/{topic}/{id}");
        let mut looks = 0;
        while !self
            .sends(Method::GET, &path, &Value::Null, &[])
            .await
            .result()
            .is_null()
        {
            looks += 1;
            assert!(looks < LOOKS_MAX, "{path} is not taken back");
            tokio::time::sleep(LOOK).await;
        }
        self.expects(path, Expected::Gone);
    }

    /// Pays, and takes the payment back before the order is shipped: the foreign service keeps anybody from shipping it meanwhile, but not for
    /// as long as a shop stands still.
    async fn takes_its_payment_back(&self, order: &str) {
        let given_back = self.foreign.claims(Topic::Shipping, order).await;
        let body = json!({"order_id": order, "amount": PRICE});
        let billing = self.sends(Method::POST, "/billing", &body, &[]).await.id();
        let path = format!("/order/{order}");
        self.sees(&path, &["CLEARED", "SHIPPED"]).await;
        let billing = format!("/billing/{billing}");
        // Not found: an attempt without an answer has deleted it.
        let answer = self.sends(Method::DELETE, &billing, &Value::Null, &[404, 409]);
        if answer.await.status != 409 {
            self.expects(billing, Expected::Gone);
            self.sees(&path, &["UNCLEARED"]).await;
        }
        given_back.cancel();
        self.foreign.releases(Topic::Shipping, order).await;
    }

    fn expects(&self, path: String, expected: Expected) {
        self.answered.lock().unwrap().push((path, expected));
    }

    /// Sends a request until it is answered with 200 or with one of `also`.
    async fn sends(&self, method: Method, path: &str, body: &Value, also: &[u16]) -> Answer {
        let key = uuid::Uuid::now_v7().simple().to_string();
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let request = Request::builder()
                .method(&method)
                .uri(format!("{}{path}", self.http.url))
                .header("content-type", "application/json");
            let known = self.known.lock().unwrap().clone();
            let request = match known.is_empty() {
                true => request,
                false => request.header("x-at-least", known.to_string()),
            };
            let request = match method {
                Method::POST => request.header("idempotency-key", &key),
                _ => request,
            };
            let request = request.body(Full::new(body.clone().into())).unwrap();
            let answer = self.http.send(request).await;
            if let Ok(answer) = &answer
                && (answer.status == 200 || also.contains(&answer.status))
            {
                return answer.clone();
            }
            assert!(
                Instant::now() < deadline,
                "{method} {path} {body}: {answer:?}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until a list has an entity with this value: what an order shows may be seen before it; returns its id.
    async fn finds(&self, list: &str, field: &str, value: &str) -> String {
        for _ in 0..LOOKS_MAX {
            let answer = self.sends(Method::GET, list, &Value::Null, &[]).await;
            let mut all = answer.result().as_array().unwrap().iter();
            if let Some(found) = all.find(|entity| entity[field] == value) {
                return found["entity_id"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(LOOK).await;
        }
        panic!("{list} has no {field} {value}");
    }

    /// Waits until an order has one of these statuses; returns it.
    async fn sees<'a>(&self, path: &str, statuses: &[&'a str]) -> &'a str {
        let mut shown = Value::Null;
        for _ in 0..LOOKS_MAX {
            let answer = self.sends(Method::GET, path, &Value::Null, &[]).await;
            let status = answer.result()["status"].as_str().unwrap_or_default();
            if let Some(seen) = statuses.iter().find(|wanted| **wanted == status) {
                return seen;
            }
            shown = answer.body;
            tokio::time::sleep(LOOK).await;
        }
        panic!("{path} stays {shown}")
    }
}
