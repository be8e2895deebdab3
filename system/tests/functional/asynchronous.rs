//! The asynchronous endpoints: the answer is a message id, the effect comes later, and new ids derive from the message id.

use serde_json::{Value, json};

use crate::shop::Shop;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ids_of_what_will_be_created_follow_from_the_message_id() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let body = json!({"name": "Ada", "email": "ada@example.com"});
    let one = http
        .post("/customers", &body)
        .await
        .result()
        .as_str()
        .unwrap()
        .to_owned();
    http.eventually(&format!("/customer/{one}"), Value::is_object)
        .await;
    let many = http.post("/customers", &json!([body, body, body])).await;
    let many = many.result().as_str().unwrap().to_owned();
    http.eventually(&format!("/customer/{many}-2"), Value::is_object)
        .await;
    for n in 0..2 {
        assert!(
            http.get(&format!("/customer/{many}-{n}"))
                .await
                .result()
                .is_object(),
            "{n}"
        );
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_array_of_ten_thousand_is_taken_and_one_more_is_refused() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let products = |count: usize| json!(vec![json!({"name": "Tea", "price": 1}); count]);
    let id = http
        .post("/products", &products(10_000))
        .await
        .result()
        .as_str()
        .unwrap()
        .to_owned();
    http.eventually(&format!("/product/{id}-9999"), Value::is_object)
        .await;
    assert_eq!(
        http.post("/product", &products(10_000))
            .await
            .result()
            .as_array()
            .unwrap()
            .len(),
        10_000
    );
    for path in ["/product", "/products"] {
        let refused = http.post(path, &products(10_001)).await;
        assert!(
            [400, 413].contains(&refused.status),
            "{path}: {}",
            refused.status
        );
        refused.refused(refused.status, "10000");
    }
    // A busy machine takes longer to apply them than a read waits; then it is a 503 that a client repeats.
    http.eventually("/products", |all| {
        all.as_array().is_some_and(|all| all.len() == 20_000)
    })
    .await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_never_succeed_is_refused_at_once_and_what_is_refused_later_is_counted() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    http.post("/customers", &json!({"name": "Ada"}))
        .await
        .refused(400, "email");
    http.post("/orders", &json!({"cart_id": "nobody's"}))
        .await
        .result();
    let deadline =
        std::time::Instant::now() + std::time::Duration::from_millis(crate::shop::EVENTUALLY_MS);
    let counted = "ordershop_async_rejections_total{queue=\"order-service.create_orders\"} 1";
    while !shop.metrics().await.contains(counted) {
        assert!(
            std::time::Instant::now() < deadline,
            "the rejection was not counted"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(http.get("/orders").await.result(), &json!([]));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_an_accepted_request_can_be_asked_for() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let accept = async |path, body| {
        let accepted = http.post(path, &body).await;
        let id = accepted.result().as_str().unwrap().to_owned();
        (format!("/requests/{id}"), id)
    };
    let (done, customer) = accept(
        "/customers",
        json!({"name": "Ada", "email": "ada@example.com"}),
    )
    .await;
    let (refused, order) = accept("/orders", json!({"cart_id": "nobody's"})).await;

    let settled = |request: &Value| request["state"] != "pending";
    let done = http.eventually(&done, settled).await;
    // Whoever knows that it is done reads its effect.
    let found = http.get(&format!("/customer/{customer}")).await;
    let refused = http.eventually(&refused, settled).await;

    assert_eq!(
        done,
        json!({"id": customer, "state": "done", "result": [customer]})
    );
    assert!(found.result().is_object(), "{}", found.body);
    assert_eq!(
        (&refused["id"], &refused["state"]),
        (&json!(order), &json!("refused"))
    );
    let why = refused["error"].as_str().unwrap();
    assert!(why.contains("nobody's"), "{why}");
    http.get("/requests/nobody")
        .await
        .refused(404, "no request");
    shop.close().await;
}
