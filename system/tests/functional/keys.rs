//! `Idempotency-Key`: a request that is repeated with its key is answered as the first time, whatever has become of what it made.

use hyper::Method;
use serde_json::{Value, json};

use crate::customer::{Answer, Customer};
use crate::shop::Shop;

async fn keyed(http: &Customer, key: &str, path: &str, body: &Value) -> Answer {
    let headers = [("idempotency-key", key)];
    http.with(&headers, Method::POST, path, body.to_string())
        .await
}

/// The id that a POST and its repeat are answered with. Other bodies under its key must be refused.
async fn made_once(http: &Customer, path: &str, body: Value, others: &[Value]) -> String {
    let made = keyed(http, "k", path, &body).await.id();
    assert_eq!(keyed(http, "k", path, &body).await.id(), made, "{path}");
    // A second time too: what was refused has taken nothing that it could meet.
    for other in others.iter().chain(others) {
        let refused = keyed(http, "k", path, other).await;
        refused.refused(422, "another body");
    }
    made
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_collection_takes_a_key_once_and_knows_its_repeat() {
    let shop = Shop::open().await;
    let http = &shop.customer;

    let ada = json!({"name": "Ada", "email": "ada@example.com"});
    let eve = json!({"name": "Eve", "email": "eve@example.com"});
    let customer = made_once(http, "/customer", ada, &[eve]).await;
    let (tea, cup) = (
        json!({"name": "Tea", "price": 5}),
        json!({"name": "Cup", "price": 5}),
    );
    let product = made_once(http, "/product", tea, &[cup]).await;
    let stock = |amount| json!({"product_id": product, "amount": amount});
    made_once(http, "/inventory", stock(9), &[stock(8)]).await;
    let of = |products: &[&String]| json!({"customer_id": customer, "product_ids": products});
    let nothing_like_it = json!({"customer_id": "none", "product_ids": []});
    let cart = made_once(
        http,
        "/cart",
        of(&[&product]),
        &[of(&[&product, &product]), nothing_like_it],
    )
    .await;
    let other_cart = http.cart(&customer, &[&product]).await;
    let order = made_once(
        http,
        "/order",
        json!({"cart_id": cart}),
        &[
            json!({"cart_id": other_cart}),
            json!({"cart_id": cart, "status": "CREATED"}),
        ],
    )
    .await;
    http.order_becomes(&order, "IN_STOCK").await;
    let payment = |amount| json!({"order_id": order, "amount": amount});
    made_once(http, "/billing", payment(5), &[payment(4)]).await;

    // What was refused has left the other cart as it was.
    let path = format!("/cart/{other_cart}");
    assert_eq!(http.get(&path).await.result().get("order_id"), None);
    http.delete(&path).await.result();
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_gone_is_not_made_again_and_its_repeat_is_answered_as_before() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let product = http.product(100, 9).await;
    // Of one request, so that they lie together and can be ordered together.
    let cart = json!({"customer_id": customer, "product_ids": [product]});
    let made = http.post("/cart", &json!([cart, cart])).await;
    let made = made.result().as_array().unwrap().iter();
    let carts: Vec<String> = made.map(|id| id.as_str().unwrap().to_owned()).collect();
    let both = json!([{"cart_id": carts[0]}, {"cart_id": carts[1]}]);
    let first = keyed(http, "k", "/order", &both).await.result().clone();
    let gone = format!("/order/{}", first[0].as_str().unwrap());
    let holders = async || {
        let mut holders = Vec::new();
        for cart in &carts {
            let cart = http.get(&format!("/cart/{cart}")).await.result().clone();
            holders.push(cart["order_id"].clone());
        }
        holders
    };
    http.delete(&gone).await.result();

    let repeated = keyed(http, "k", "/order", &both).await;
    assert_eq!(repeated.result(), &first);
    assert_eq!(http.get(&gone).await.result(), &Value::Null);
    assert_eq!(holders().await, [Value::Null, first[1].clone()]);
    // Made, marked and freed: the repeat has not marked it again.
    let cart = http.get(&format!("/cart/{}", carts[0])).await;
    assert_eq!(cart.headers["etag"], "\"3\"");

    let second = http.order(&carts[0]).await;
    let repeated = keyed(http, "k", "/order", &both).await;
    assert_eq!(repeated.result(), &first);
    assert_eq!(holders().await, [json!(second), first[1].clone()]);
    assert_eq!(
        http.get("/orders").await.result().as_array().unwrap().len(),
        2
    );
    shop.close().await;
}
