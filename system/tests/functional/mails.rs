//! Exactly one mail for each occasion.

use serde_json::{Value, json};

use crate::shop::Shop;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_customers_who_order_get_exactly_their_mails() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let ten = |entity: Value| json!(vec![entity; 10]);
    http.post("/products", &ten(json!({"name": "Tea", "price": 10})))
        .await
        .result();
    http.post(
        "/customers",
        &ten(json!({"name": "Ada", "email": "ada@example.com"})),
    )
    .await
    .result();
    let listed = |list: &Value| list.as_array().is_some_and(|list| list.len() == 10);
    let ids = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|entity| entity["entity_id"].as_str().unwrap().to_owned())
            .collect()
    };
    let products = ids(&http.eventually("/products", listed).await);
    let customers = ids(&http.eventually("/customers", listed).await);
    let stock: Vec<Value> = products
        .iter()
        .map(|id| json!({"product_id": id, "amount": 5}))
        .collect();
    http.post("/inventories", &json!(stock)).await.result();
    http.eventually("/inventories", listed).await;
    let carts: Vec<Value> = customers
        .iter()
        .zip(&products)
        .map(|(customer, product)| json!({"customer_id": customer, "product_ids": [product]}))
        .collect();
    http.post("/carts", &json!(carts)).await.result();
    let carts = ids(&http.eventually("/carts", listed).await);
    let orders: Vec<Value> = carts.iter().map(|id| json!({"cart_id": id})).collect();
    http.post("/orders", &json!(orders)).await.result();
    let all_in_stock = |orders: &Value| {
        orders.as_array().is_some_and(|orders| {
            orders.len() == 10 && orders.iter().all(|order| order["status"] == "IN_STOCK")
        })
    };
    let orders = ids(&http.eventually("/orders", all_in_stock).await);
    http.billing(&orders[0], 10).await;
    http.order_becomes(&orders[0], "SHIPPED").await;
    let shipping = json!({"order_id": orders[0], "delivered": 1_700_000_000});
    http.put(&format!("/shipping/{}-shipping", orders[0]), &shipping)
        .await
        .result();
    http.order_becomes(&orders[0], "DELIVERED").await;
    http.delete(&format!("/order/{}", orders[1])).await.result();

    let mails = http
        .eventually("/mails/sent", |mails| {
            mails.as_array().is_some_and(|mails| mails.len() >= 22)
        })
        .await;
    let count = |fragment: &str| {
        let mails = mails.as_array().unwrap().iter();
        mails
            .filter(|mail| mail["message"].as_str().unwrap().contains(fragment))
            .count()
    };
    assert_eq!(mails.as_array().unwrap().len(), 22, "{mails}");
    assert_eq!(
        [
            count("welcome"),
            count("Please pay € 0.10"),
            count("received your payment"),
            count("on its way")
        ],
        [10, 10, 1, 1],
        "{mails}"
    );
    let keys = |value: &Value| value.as_object().unwrap().len();
    assert_eq!(keys(http.get("/orders/unbilled").await.result()), 8);
    assert_eq!(keys(http.get("/orders/unshipped").await.result()), 8);
    assert_eq!(
        http.get("/orders/delivered")
            .await
            .result()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_who_leaves_is_told_good_bye() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    http.delete(&format!("/customer/{customer}")).await.result();
    let mails = http
        .eventually("/mails/sent", |mails| {
            mails.as_array().is_some_and(|mails| mails.len() == 2)
        })
        .await;
    assert_eq!(mails[0]["recipient"], "ada@example.com");
    assert!(mails.to_string().contains("Good-bye"), "{mails}");
    shop.close().await;
}
