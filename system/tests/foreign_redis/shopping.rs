//! An order through the whole shop, also while its Redis is not well.

use serde_json::json;

use crate::customer::{Answer, Customer};

/// Orders one piece and pays it; returns when it is delivered.
pub async fn buys(http: &Customer) {
    let customer = http
        .posted(
            "/customer",
            &json!({"name": "Ada", "email": "ada@example.com"}),
        )
        .await;
    let product = http
        .posted("/product", &json!({"name": "Tea", "price": 7}))
        .await;
    http.posted("/inventory", &json!({"product_id": product, "amount": 9}))
        .await;
    let body = json!({"customer_id": customer, "product_ids": [product]});
    let cart = http.posted("/cart", &body).await;
    let order = http.posted("/order", &json!({"cart_id": cart})).await;
    http.order_becomes(&order, "IN_STOCK").await;
    http.posted("/billing", &json!({"order_id": order, "amount": 7}))
        .await;
    http.order_becomes(&order, "SHIPPED").await;
}

/// What a request that must be refused is answered.
pub fn refusal(answer: &Answer) -> String {
    assert_eq!(answer.status, 503, "{}", answer.body);
    answer.body["error"].as_str().unwrap().to_owned()
}
