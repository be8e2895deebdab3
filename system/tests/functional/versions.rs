//! `ETag`: every entity comes with its version, a client that has it is told so, and a change may name it.

use hyper::Method;
use ordershop_redis::connection::RedisLink;
use serde_json::json;

use crate::customer::{Answer, Customer};
use crate::shop::Shop;

fn etag(answer: &Answer) -> &str {
    answer.headers["etag"].to_str().unwrap()
}

async fn get_unless(http: &Customer, path: &str, tag: &str) -> Answer {
    let headers = [("if-none-match", tag)];
    http.with(&headers, Method::GET, path, "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entitys_etag_is_its_version_and_changes_with_it() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let body = json!({"name": "Tea", "price": 3});
    let path = format!("/product/{}", http.post("/product", &body).await.id());

    let first = http.get(&path).await;
    assert_eq!(etag(&first), "\"1\"");
    assert_eq!(first.result()["price"], 3);
    assert!(first.result().get("version").is_none(), "{}", first.body);
    let known = get_unless(http, &path, "\"1\"").await;
    assert_eq!((known.status, etag(&known)), (304, "\"1\""));

    http.put(&path, &json!({"name": "Tea", "price": 4}))
        .await
        .result();

    let changed = get_unless(http, &path, "\"1\"").await;
    assert_eq!(etag(&changed), "\"2\"");
    assert_eq!(changed.result()["price"], 4);
    assert!(!http.get("/product/x").await.headers.contains_key("etag"));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_a_version_that_is_no_longer_there_is_412_and_changes_nothing() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let (customer, product) = (http.customer().await, http.product(1, 10).await);
    let path = format!("/inventory/{}", http.inventory().await);
    let read = http.get(&path).await;
    assert_eq!(read.result()["amount"], 10);
    let cart = http.cart(&customer, &[product.as_str(); 3]).await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;

    let body = json!({"product_id": product, "amount": 10}).to_string();
    for method in [Method::PUT, Method::DELETE] {
        let old = [("if-match", etag(&read))];
        let refused = http.with(&old, method, &path, body.clone()).await;
        refused.refused(412, "is in version 2");
    }

    let now = http.get(&path).await;
    assert_eq!(now.result()["amount"], 7);
    let present = [("if-match", etag(&now))];
    let refilled = http.with(&present, Method::PUT, &path, body).await;
    assert_eq!(refilled.result(), &json!(true));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_without_if_match_that_was_sent_before_a_reservation_does_not_undo_it() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let (customer, product) = (http.customer().await, http.product(1, 10).await);
    let inventory = http.inventory().await;
    let body = json!({"entity_id": inventory, "product_id": product, "amount": 10});

    // As a gateway's message that waits in the queue until the reservation is made.
    let sent = uuid::Uuid::now_v7().simple().to_string();
    let order = http.order(&http.cart(&customer, &[&product]).await).await;
    http.order_becomes(&order, "IN_STOCK").await;
    let message = json!({
        "id": sent, "reply_to": "mq:reply:{test}", "correlation_id": "c", "causation_id": "c",
        "payload": {"params": body},
    });
    let link = RedisLink::new(&shop.redis_url()).unwrap();
    let queue = "mq:{inventory-service.update_inventory}";
    let mut connection = link.dedicated_for(queue).await.unwrap();
    let mut push = redis::cmd("RPUSH");
    push.arg(queue).arg(message.to_string());
    push.exec_async(&mut connection).await.unwrap();
    let replies = "mq:reply:{test}";
    let mut connection = link.dedicated_for(replies).await.unwrap();
    let mut reply = redis::cmd("BLPOP");
    reply.arg(replies).arg(20);
    let (_, reply): (String, String) = reply.query_async(&mut connection).await.unwrap();

    assert!(reply.contains("was changed at the same moment"), "{reply}");
    assert_eq!(http.stock_of(&product).await, 9);
    // Whoever sends it now can know the reservation.
    let path = format!("/inventory/{inventory}");
    assert_eq!(http.put(&path, &body).await.result(), &json!(true));
    shop.close().await;
}
