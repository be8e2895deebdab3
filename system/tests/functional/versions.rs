//! `ETag`: every entity comes with its version, and a client that has it is told so.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request};
use serde_json::json;

use crate::customer::{Answer, Customer};
use crate::shop::Shop;

fn etag(answer: &Answer) -> &str {
    answer.headers["etag"].to_str().unwrap()
}

async fn get_unless(http: &Customer, path: &str, tag: &str) -> Answer {
    let request = Request::builder()
        .method(Method::GET)
        .uri(format!("{}{path}", http.url))
        .header("if-none-match", tag)
        .body(Full::new(Bytes::new()))
        .unwrap();
    http.send(request).await.unwrap()
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
