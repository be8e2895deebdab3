//! An order through the whole shop, also while its Redis is not well.

use std::time::Instant;

use serde_json::{Value, json};

use crate::customer::{Answer, Customer};
use crate::program::PATIENCE;

/// Posts until it is answered 200; returns the id of the created entity.
pub async fn posted(http: &Customer, path: &str, body: &Value) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = http.post(path, body).await;
        if answer.status == 200 {
            return answer.id();
        }
        assert!(Instant::now() < deadline, "{path}: {}", answer.body);
    }
}

/// Orders one piece and pays it; returns when it is delivered.
pub async fn buys(http: &Customer) {
    let customer = posted(
        http,
        "/customer",
        &json!({"name": "Ada", "email": "ada@example.com"}),
    )
    .await;
    let product = posted(http, "/product", &json!({"name": "Tea", "price": 7})).await;
    posted(
        http,
        "/inventory",
        &json!({"product_id": product, "amount": 9}),
    )
    .await;
    let body = json!({"customer_id": customer, "product_ids": [product]});
    let cart = posted(http, "/cart", &body).await;
    let order = posted(http, "/order", &json!({"cart_id": cart})).await;
    http.order_becomes(&order, "IN_STOCK").await;
    posted(http, "/billing", &json!({"order_id": order, "amount": 7})).await;
    http.order_becomes(&order, "SHIPPED").await;
}

/// What a request that must be refused is answered.
pub fn refusal(answer: &Answer) -> String {
    assert_eq!(answer.status, 503, "{}", answer.body);
    answer.body["error"].as_str().unwrap().to_owned()
}
