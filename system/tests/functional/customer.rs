//! A client of a shop: it knows the shop's HTTP paths and waits for conditions.

use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// The timeout of every condition, ms.
pub const EVENTUALLY_MS: u64 = 15_000;

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The `result` of the answer, which must be a success.
    pub fn result(&self) -> &Value {
        assert_eq!(self.status, 200, "{}", self.body);
        &self.body["result"]
    }

    /// The id of the one created entity; the answer must be a success.
    pub fn id(&self) -> String {
        let ids = self.result().as_array().unwrap();
        assert_eq!(ids.len(), 1, "{ids:?}");
        ids[0].as_str().unwrap().to_owned()
    }

    /// Asserts a refusal with a status and an error text that contains `fragment`.
    #[track_caller]
    pub fn refused(&self, status: u16, fragment: &str) {
        let error = self.body["error"].as_str().unwrap_or_default();
        assert_eq!(self.status, status, "{}", self.body);
        assert!(
            error.contains(fragment),
            "{error:?} does not say {fragment:?}"
        );
    }
}

/// Whether a mail says that a payment of 300 for this order is returned.
pub fn tells_of_the_return(mail: &Value, order_id: &str) -> bool {
    let text = mail["message"].as_str().unwrap();
    text.contains(order_id) && text.contains("return your payment of € 3.00")
}

/// A client of a shop, wherever it runs. Cheap to clone.
#[derive(Clone)]
pub struct Customer {
    client: Client<HttpConnector, Full<Bytes>>,
    pub url: String,
}

impl Customer {
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            url: url.into(),
        }
    }

    /// Sends a request unchanged.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let response = self
            .client
            .request(request)
            .await
            .map_err(|e| format!("{e:?}"))?;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::String(text)),
        })
    }

    /// Sends a request with a body, unchanged.
    pub async fn raw(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        self.with(&[], method, path, body).await
    }

    /// Sends a request with these headers too.
    pub async fn with(
        &self,
        headers: &[(&str, &str)],
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        self.send(request).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.raw(Method::GET, path, "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.raw(Method::POST, path, body.to_string()).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.raw(Method::PUT, path, body.to_string()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.raw(Method::DELETE, path, "").await
    }

    /// Sends a request until it succeeds: while something is away it may be refused.
    pub async fn insist(&self, method: Method, path: &str, body: &Value) -> Answer {
        let deadline = Instant::now() + Duration::from_millis(2 * EVENTUALLY_MS);
        loop {
            let answer = self.raw(method.clone(), path, body.to_string()).await;
            if answer.status == 200 {
                return answer;
            }
            assert!(
                Instant::now() < deadline,
                "{method} {path}: {} {}",
                answer.status,
                answer.body
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Posts until it succeeds; returns the id of the created entity.
    pub async fn posted(&self, path: &str, body: &Value) -> String {
        self.insist(Method::POST, path, body).await.id()
    }

    /// GETs a path until its result fits; panics with the last result if it never does.
    #[track_caller]
    pub fn eventually<'a>(
        &'a self,
        path: &'a str,
        fits: impl Fn(&Value) -> bool + 'a,
    ) -> impl Future<Output = Value> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let deadline = Instant::now() + Duration::from_millis(EVENTUALLY_MS);
            loop {
                let answer = self.get(path).await;
                if fits(&answer.body["result"]) {
                    return answer.body["result"].clone();
                }
                assert!(
                    Instant::now() < deadline,
                    "{caller}: {path} stayed {}",
                    answer.body
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// Waits until an order has a status.
    pub async fn order_becomes(&self, order_id: &str, status: &str) {
        self.eventually(&format!("/order/{order_id}"), |order| {
            order["status"] == status
        })
        .await;
    }

    pub async fn customer(&self) -> String {
        let body = json!({"name": "Ada", "email": "ada@example.com"});
        self.post("/customer", &body).await.id()
    }

    /// Creates a product with `amount` pieces in stock.
    pub async fn product(&self, price: u64, amount: u64) -> String {
        let id = self
            .post("/product", &json!({"name": "Tea", "price": price}))
            .await
            .id();
        self.post("/inventory", &json!({"product_id": id, "amount": amount}))
            .await
            .id();
        id
    }

    pub async fn cart(&self, customer_id: &str, product_ids: &[&str]) -> String {
        let body = json!({"customer_id": customer_id, "product_ids": product_ids});
        self.post("/cart", &body).await.id()
    }

    pub async fn order(&self, cart_id: &str) -> String {
        self.post("/order", &json!({"cart_id": cart_id})).await.id()
    }

    pub async fn billing(&self, order_id: &str, amount: u64) -> String {
        let body = json!({"order_id": order_id, "amount": amount});
        self.post("/billing", &body).await.id()
    }

    /// Two customers' carts have the last piece of a product: the first order takes it. Returns the other order, and its cart.
    pub async fn comes_too_late(&self, customer_id: &str, product_id: &str) -> (String, String) {
        let carts = [
            self.cart(customer_id, &[product_id]).await,
            self.cart(customer_id, &[product_id]).await,
        ];
        let lucky = self.order(&carts[0]).await;
        self.order_becomes(&lucky, "IN_STOCK").await;
        let [_, cart] = carts;
        let order = self.order(&cart).await;
        self.order_becomes(&order, "OUT_OF_STOCK").await;
        (order, cart)
    }

    /// The id of the only inventory.
    pub async fn inventory(&self) -> String {
        let inventories = self.get("/inventories").await;
        let [inventory] = inventories.result().as_array().unwrap().as_slice() else {
            panic!("one inventory: {}", inventories.body);
        };
        inventory["entity_id"].as_str().unwrap().to_owned()
    }

    /// Waits until an order's customer is told that a payment of 300 for it is returned.
    pub async fn is_told_of_the_return(&self, order_id: &str) {
        self.eventually("/mails/sent", |mails| {
            let mut mails = mails.as_array().unwrap().iter();
            mails.any(|mail| tells_of_the_return(mail, order_id))
        })
        .await;
    }

    /// The amount in a product's only inventory.
    pub async fn stock_of(&self, product_id: &str) -> u64 {
        let inventories = self.get("/inventories").await;
        let mut amounts = inventories
            .result()
            .as_array()
            .unwrap()
            .iter()
            .filter(|inventory| inventory["product_id"] == product_id)
            .map(|inventory| inventory["amount"].as_u64().unwrap());
        let amount = amounts.next().unwrap();
        assert_eq!(
            amounts.next(),
            None,
            "one inventory a product in these tests"
        );
        amount
    }
}
