//! The sagas: effects of events of one topic in another.

use ordershop_contract::event_store::{EventStore, EventSubscription, SubscribeRequest};
use ordershop_contract::partition::Partitions;
use ordershop_contract::topic::Topic;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::metrics::AppendMetrics;
use serde_json::json;

use crate::held_shop::HeldShop;
use crate::shop::Shop;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_order_is_shipped_and_delivered() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let product = http.product(300, 5).await;
    let cart = http
        .cart(&http.customer().await, &[&product, &product])
        .await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    assert_eq!(http.stock_of(&product).await, 3);
    http.billing(&order, 600).await;
    http.order_becomes(&order, "SHIPPED").await;
    let shipping = json!({"order_id": order, "delivered": 1_700_000_000});
    http.put(&format!("/shipping/{order}-shipping"), &shipping)
        .await
        .result();
    http.order_becomes(&order, "DELIVERED").await;
    assert_eq!(http.stock_of(&product).await, 3);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_can_not_be_had_whole_takes_nothing() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let (plenty, scarce) = (http.product(1, 10).await, http.product(1, 1).await);
    // Both carts are filled while the piece is in stock.
    let first = http.cart(&customer, &[&scarce]).await;
    let second = http.cart(&customer, &[&plenty, &scarce]).await;
    let lucky = http.order(&first).await;
    http.order_becomes(&lucky, "IN_STOCK").await;
    let unlucky = http.order(&second).await;
    http.order_becomes(&unlucky, "OUT_OF_STOCK").await;
    assert_eq!(http.stock_of(&plenty).await, 10);
    assert_eq!(http.stock_of(&scarce).await, 0);
    let body = json!({"order_id": unlucky, "amount": 2});
    http.post("/billing", &body)
        .await
        .refused(409, "OUT_OF_STOCK");
    let cart = json!({"customer_id": customer, "product_ids": [scarce]});
    http.post("/cart", &cart).await.refused(409, "out of stock");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buyers_at_once_get_exactly_what_is_there() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let product = http.product(5, 20).await;
    let carts: Vec<_> = (0..100)
        .map(|_| json!({"customer_id": customer, "product_ids": [product, product]}))
        .collect();
    let carts = http.post("/cart", &json!(carts)).await.result().clone();
    let buyers = carts.as_array().unwrap().iter().map(|cart| {
        let (http, cart) = (http.clone(), cart.as_str().unwrap().to_owned());
        tokio::spawn(async move { http.order(&cart).await })
    });
    futures_util::future::join_all(buyers).await;
    let orders = http
        .eventually("/orders", |orders| {
            orders.as_array().is_some_and(|orders| {
                orders.len() == 100 && orders.iter().all(|order| order["status"] != "CREATED")
            })
        })
        .await;
    let sold = orders
        .as_array()
        .unwrap()
        .iter()
        .filter(|order| order["status"] == "IN_STOCK")
        .count();
    assert_eq!(sold, 10);
    assert_eq!(http.stock_of(&product).await, 0);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_billing_must_fit_its_order_and_be_the_only_one() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let product = http.product(300, 5).await;
    let cart = http.cart(&http.customer().await, &[&product]).await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    let billing = |amount: u64| json!({"order_id": order, "amount": amount});
    http.post("/billing", &billing(299))
        .await
        .refused(422, "cost 300");
    let unknown = json!({"order_id": "nobody", "amount": 1});
    http.post("/billing", &unknown).await.refused(422, "nobody");
    // Twenty requests at once: one is accepted.
    let at_once = (0..20).map(|_| {
        let (http, body) = (http.clone(), billing(300));
        tokio::spawn(async move { http.post("/billing", &body).await.status })
    });
    let statuses: Vec<u16> = futures_util::future::join_all(at_once)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let accepted = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(accepted, 1, "{statuses:?}");
    assert!(
        statuses.iter().all(|status| [200, 409].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(
        http.get("/billings")
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
async fn an_order_deleted_before_it_is_shipped_gives_its_stock_back_once() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let product = http.product(300, 5).await;
    let cart = http
        .cart(&http.customer().await, &[&product, &product])
        .await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    assert_eq!(http.stock_of(&product).await, 3);
    http.delete(&format!("/order/{order}")).await.result();
    http.eventually("/inventories", |all| all[0]["amount"] == 5)
        .await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    assert_eq!(http.stock_of(&product).await, 3);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_taken_back_leaves_the_order_uncleared_until_it_is_paid_again() {
    let (topic, group) = (Topic::Order, "shipping-service");
    let mut shop = HeldShop::open(Some((topic, group))).await;
    let order = shop.order().await;
    let http = shop.http().clone();
    http.order_becomes(&order, "IN_STOCK").await;
    let billing = http.billing(&order, 300).await;
    http.order_becomes(&order, "CLEARED").await;
    http.delete(&format!("/billing/{billing}")).await.result();
    http.order_becomes(&order, "UNCLEARED").await;
    assert!(http.get("/orders/unbilled").await.result()[&order].is_object());

    // The group goes on. The order that was paid before is not paid now, so nothing is shipped.
    shop.let_go(topic, group).await;
    shop.becomes_idle(group).await;
    assert_eq!(
        http.get(&format!("/order/{order}")).await.result()["status"],
        "UNCLEARED"
    );
    assert_eq!(http.get("/shippings").await.result(), &json!([]));

    http.billing(&order, 300).await;
    http.order_becomes(&order, "SHIPPED").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_name_the_request_and_what_caused_them() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let product = http.product(300, 5).await;
    let cart = http.cart(&http.customer().await, &[&product]).await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    let link = RedisLink::new(&shop.redis_url()).unwrap();
    let partitions = Partitions::new(crate::PARTITIONS).unwrap();
    let config = EventStoreConfig {
        partitions,
        ..EventStoreConfig::default()
    };
    let store = RedisEventStore::start(link, &AppendMetrics::default(), config);
    let mut subscription: Box<dyn EventSubscription> = store
        .subscribe(SubscribeRequest {
            group: "a-test".to_owned(),
            partition: partitions.of(Topic::Order, &order),
            consumer: "one".to_owned(),
            batch_max: 10,
        })
        .await
        .unwrap();
    let mut events = Vec::new();
    while events.len() < 2 {
        let batch = subscription.next_batch().await.unwrap();
        let positions: Vec<_> = batch.iter().map(|event| event.position).collect();
        subscription.ack(&positions).await.unwrap();
        events.extend(batch);
    }
    // The id is the request's message's, with the number of the partition where that doesn't follow from it.
    let message_id = order.split('.').next().unwrap();
    assert_eq!(events[0].correlation.causation_id, message_id);
    assert_eq!(events[0].event_id, events[1].correlation.causation_id);
    assert_eq!(
        events[0].correlation.correlation_id,
        events[1].correlation.correlation_id
    );
    assert_eq!(events[0].correlation.correlation_id.len(), 32);
    drop(subscription);
    store.close().await;
    shop.close().await;
}
