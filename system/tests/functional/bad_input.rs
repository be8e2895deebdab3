//! Bad input gets a clear error and changes nothing.

use http_body_util::Full;
use hyper::{Method, Request};
use serde_json::{Value, json};

use crate::shop::{Customer, Shop};

/// All entities and all events.
async fn everything(http: &Customer) -> Value {
    http.get("/report").await.result().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_writes_say_why_and_change_nothing() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let product = http.product(300, 2).await;
    let cart = http.cart(&customer, &[&product]).await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    http.eventually("/mails/sent", |mails| {
        mails.as_array().is_some_and(|mails| mails.len() == 2)
    })
    .await;
    let before = everything(http).await;
    let order_path = format!("/order/{order}");
    let cart_path = format!("/cart/{cart}");
    let product_path = format!("/product/{product}");
    let big = json!({"name": "x".repeat(9 * 1024 * 1024), "email": "e"}).to_string();
    let post = Method::POST;
    let rows: Vec<(Method, &str, String, u16, &str)> = vec![
        (
            post.clone(),
            "/customer",
            "{\"name\": \"Ada\",".into(),
            400,
            "JSON",
        ),
        (post.clone(), "/customer", "\"Ada\"".into(), 400, "object"),
        (post.clone(), "/customer", "".into(), 400, "JSON"),
        (post.clone(), "/customer", "[]".into(), 400, "empty"),
        (post.clone(), "/customers", "[]".into(), 400, "empty"),
        (
            post.clone(),
            "/customer",
            json!({"name": "Ada"}).to_string(),
            400,
            "email",
        ),
        (
            post.clone(),
            "/customer",
            json!({"name": 7, "email": "e"}).to_string(),
            400,
            "string",
        ),
        (
            post.clone(),
            "/customer",
            json!({"name": "A", "email": "e", "age": 7}).to_string(),
            400,
            "age",
        ),
        (
            post.clone(),
            "/customer",
            json!({"entity_id": "mine", "name": "A", "email": "e"}).to_string(),
            400,
            "entity_id",
        ),
        (
            post.clone(),
            "/customer",
            json!([{"name": "A", "email": "e"}, {"name": "B"}]).to_string(),
            400,
            "element 1",
        ),
        (post.clone(), "/customer", big, 413, "8388608"),
        (
            post.clone(),
            "/product",
            json!({"name": "Tea", "price": -1}).to_string(),
            400,
            "-1",
        ),
        (
            post.clone(),
            "/product",
            json!({"name": "Tea", "price": 1.5}).to_string(),
            400,
            "1.5",
        ),
        (
            post.clone(),
            "/product",
            json!({"name": "Tea", "price": "1"}).to_string(),
            400,
            "string",
        ),
        (
            post.clone(),
            "/product",
            json!({"name": "Tea", "price": 9_007_199_254_740_992_u64}).to_string(),
            400,
            "9007199254740991",
        ),
        (
            post.clone(),
            "/inventory",
            json!({"product_id": product, "amount": -5}).to_string(),
            400,
            "-5",
        ),
        (
            post.clone(),
            "/inventory",
            json!({"product_id": "none", "amount": 5}).to_string(),
            422,
            "product_id",
        ),
        (
            post.clone(),
            "/cart",
            json!({"customer_id": "none", "product_ids": []}).to_string(),
            422,
            "customer_id",
        ),
        (
            post.clone(),
            "/cart",
            json!({"customer_id": customer, "product_ids": ["none"]}).to_string(),
            422,
            "product_ids",
        ),
        (
            post.clone(),
            "/cart",
            json!({"customer_id": customer, "product_ids": [product, product]}).to_string(),
            409,
            "out of stock",
        ),
        (
            post.clone(),
            "/cart",
            json!({"customer_id": customer, "product_ids": product}).to_string(),
            400,
            "sequence",
        ),
        (
            post.clone(),
            "/order",
            json!({"cart_id": "none"}).to_string(),
            422,
            "cart_id",
        ),
        (
            post.clone(),
            "/order",
            json!({"cart_id": cart, "status": "SHIPPED"}).to_string(),
            409,
            "CREATED",
        ),
        (
            post.clone(),
            "/order",
            json!({"cart_id": cart, "status": "LOST"}).to_string(),
            400,
            "LOST",
        ),
        (
            post.clone(),
            "/shipping",
            json!({"order_id": order}).to_string(),
            409,
            "CLEARED",
        ),
        (
            Method::PUT,
            &order_path,
            json!({"cart_id": cart, "status": "DELIVERED"}).to_string(),
            409,
            "the status of an order can't be set",
        ),
        (
            Method::PUT,
            &order_path,
            json!({"cart_id": "other", "status": "IN_STOCK"}).to_string(),
            409,
            "cart of an order can't change",
        ),
        (
            Method::PUT,
            &order_path,
            json!({"entity_id": "other", "cart_id": cart, "status": "IN_STOCK"}).to_string(),
            400,
            "entity_id",
        ),
        (
            Method::PUT,
            &cart_path,
            json!({"customer_id": customer, "product_ids": []}).to_string(),
            409,
            "IN_STOCK",
        ),
        (
            Method::PUT,
            &product_path,
            json!({"price": 1}).to_string(),
            400,
            "name",
        ),
        (
            Method::PUT,
            "/product/none",
            json!({"name": "Tea", "price": 1}).to_string(),
            404,
            "none",
        ),
        (Method::DELETE, "/product/none", "".into(), 404, "none"),
        (Method::DELETE, &cart_path, "".into(), 409, "IN_STOCK"),
        (post.clone(), "/payment", "{}".into(), 404, "/payment"),
        (Method::GET, "/nothing", "".into(), 404, "/nothing"),
        (post, "/product/1", "{}".into(), 405, "POST"),
        (Method::PATCH, "/products", "{}".into(), 405, "PATCH"),
    ];
    for (method, path, body, status, fragment) in rows {
        let shown: String = body.chars().take(80).collect();
        let answer = http.raw(method.clone(), path, body).await;
        let error = answer.body["error"].as_str().unwrap_or_default();
        assert_eq!(
            answer.status, status,
            "{method} {path} {shown}: {}",
            answer.body
        );
        assert!(
            error.contains(fragment),
            "{method} {path} {shown}: {error:?} does not say {fragment:?}"
        );
    }
    assert_eq!(everything(http).await, before);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_id_is_null_and_a_wrong_content_type_is_refused() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    for entity in [
        "customer",
        "product",
        "inventory",
        "cart",
        "order",
        "billing",
        "shipping",
    ] {
        assert_eq!(
            http.get(&format!("/{entity}/nobody")).await.result(),
            &Value::Null,
            "{entity}"
        );
    }
    let request = Request::post(format!("{}/customer", http.url))
        .header("content-type", "application/xml")
        .body(Full::from("<customer/>"))
        .unwrap();
    http.send(request)
        .await
        .unwrap()
        .refused(415, "application/json");
    shop.close().await;
}
