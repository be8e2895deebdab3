//! Requests as servers read them.

use super::raw_server::{LIMITS, OK, RawServer, value, values};
use loadgen_engine::http_client::{ConnectOptions, HttpClient, Request, Target};

#[tokio::test]
async fn a_request_says_once_who_asks_whom() {
    let server = RawServer::always(OK);
    let http = server.client().await;
    let own = Request {
        headers: vec![
            ("Host", "shop.example".into()),
            ("USER-AGENT", "mine".into()),
        ],
        ..Request::get("/größe?q=ü")
    };
    http.turn().await.send(&Request::get("/")).await.unwrap();
    http.turn().await.send(&own).await.unwrap();
    let heads = server.heads();
    let host = server.url.strip_prefix("http://").unwrap();
    assert_eq!(values(&heads[0], "host"), [host]);
    assert!(
        value(&heads[0], "user-agent")
            .unwrap()
            .starts_with("loadgen/")
    );
    assert_eq!(values(&heads[1], "host"), ["shop.example"]);
    assert_eq!(values(&heads[1], "user-agent"), ["mine"]);
    assert!(
        heads[1].starts_with("GET /gr%C3%B6%C3%9Fe?q=%C3%BC HTTP/1.1\r\n"),
        "{}",
        heads[1]
    );
}

#[tokio::test]
async fn user_and_password_of_the_url_are_sent_unless_the_request_has_its_own() {
    let server = RawServer::always(OK);
    let url = server.url.replace("http://", "http://me:pass@");
    let target = Target::resolve(&url, &ConnectOptions::default())
        .await
        .unwrap();
    assert_eq!(target.url, server.url, "the password is not shown");
    let http = HttpClient::new(target, LIMITS);
    let own = Request {
        headers: vec![("authorization", "Bearer t".into())],
        ..Request::get("/")
    };
    http.turn().await.send(&Request::get("/")).await.unwrap();
    http.turn().await.send(&own).await.unwrap();
    let heads = server.heads();
    assert_eq!(values(&heads[0], "authorization"), ["Basic bWU6cGFzcw=="]);
    assert_eq!(values(&heads[1], "authorization"), ["Bearer t"]);
}
