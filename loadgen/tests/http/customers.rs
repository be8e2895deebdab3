//! Redirects and cookies.

use super::raw_server::{OK, RawServer, value};
use loadgen_engine::http_client::{
    Customer, Following, Hop, HttpClient, HttpError, Manner, Reply, Request,
};

fn said(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} Said\r\n{headers}content-length: 0\r\n\r\n")
}

async fn follow(
    http: &HttpClient,
    request: &Request<'_>,
    customer: &Customer,
    redirects_max: u32,
) -> (Result<Reply, HttpError>, Vec<Hop>) {
    let mut hops = Vec::new();
    let manner = Manner {
        customer,
        following: Following {
            redirects_max,
            is_answer: &|status| status == 307,
        },
    };
    let outcome = http.turn().await.follow(request, &manner, &mut hops).await;
    (outcome, hops)
}

fn post(path: &str) -> Request<'_> {
    Request {
        method: "POST",
        headers: vec![("authorization", "Bearer t".into())],
        body: Some(b"{}".as_slice().into()),
        ..Request::get(path)
    }
}

/// A login as web frameworks do it: a cookie and a redirect, two hops to the page.
fn login() -> RawServer {
    RawServer::start(|talk| {
        while let Some((head, _)) = talk.request() {
            let path = head.split(' ').nth(1).unwrap();
            let answer = match path {
                "/login" => said(
                    302,
                    "set-cookie: session=7; Path=/; HttpOnly\r\nlocation: /step?a=1#there\r\n",
                ),
                "/step?a=1" => said(301, "set-cookie: extra=1\r\nlocation: home/\u{fc}\r\n"),
                "/home/%C3%BC" => OK.to_owned(),
                "/loop" => said(303, "location: /loop\r\n"),
                "/kept" => said(307, "location: /home/%C3%BC\r\n"),
                "/app" => said(302, "location: myapp://callback\r\n"),
                "/nowhere" => said(302, ""),
                _ => said(404, ""),
            };
            talk.say(answer);
        }
    })
}

#[tokio::test]
async fn redirects_are_followed_with_the_cookies_set_on_the_way_and_each_is_told() {
    let server = login();
    let http = server.client().await;
    let customer = Customer::new(true);
    let (outcome, hops) = follow(&http, &post("/login"), &customer, 10).await;
    assert_eq!(outcome.unwrap().status, 200);
    let heads = server.heads();
    let lines: Vec<&str> = heads
        .iter()
        .map(|head| head.lines().next().unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            "POST /login HTTP/1.1",
            "GET /step?a=1 HTTP/1.1",
            "GET /home/%C3%BC HTTP/1.1"
        ]
    );
    let cookies: Vec<_> = heads.iter().map(|head| value(head, "cookie")).collect();
    assert_eq!(
        cookies,
        [None, Some("session=7"), Some("extra=1; session=7")]
    );
    assert!(
        heads
            .iter()
            .all(|head| value(head, "authorization").is_some())
    );
    assert_eq!(value(&heads[1], "content-type"), None);
    let told: Vec<_> = hops
        .iter()
        .map(|hop| (hop.status, hop.to.clone()))
        .collect();
    let url = &server.url;
    assert_eq!(
        told,
        [
            (302, format!("GET {url}/step?a=1#there")),
            (301, format!("GET {url}/home/%C3%BC"))
        ]
    );
    // Another request of the same customer, and one of another.
    follow(&http, &Request::get("/other"), &customer, 10)
        .await
        .0
        .unwrap();
    follow(&http, &Request::get("/other"), &Customer::new(true), 10)
        .await
        .0
        .unwrap();
    let heads = server.heads();
    assert_eq!(value(&heads[3], "cookie"), Some("extra=1; session=7"));
    assert_eq!(value(&heads[4], "cookie"), None);
}

#[tokio::test]
async fn what_is_not_to_be_followed_is_the_answer() {
    let server = login();
    let http = server.client().await;
    for (path, redirects_max, status) in [
        ("/login", 0, 302),
        ("/kept", 10, 307),
        ("/app", 10, 302),
        ("/nowhere", 10, 302),
    ] {
        let (outcome, hops) = follow(
            &http,
            &Request::get(path),
            &Customer::new(false),
            redirects_max,
        )
        .await;
        assert_eq!((outcome.unwrap().status, hops.len()), (status, 0), "{path}");
    }
    let (outcome, hops) = follow(&http, &Request::get("/loop"), &Customer::new(true), 3).await;
    assert_eq!(outcome.unwrap_err().to_string(), "too many redirects");
    assert_eq!(hops.len(), 4);
    assert_eq!(
        server
            .heads()
            .iter()
            .filter(|h| h.contains("/loop"))
            .count(),
        4
    );
}

#[tokio::test]
async fn another_host_gets_the_request_but_nothing_secret() {
    let other = RawServer::always(OK);
    let to = format!("location: {}/landing\r\nset-cookie: a=1\r\n", other.url);
    let server = RawServer::always(said(308, &to));
    let http = server.client().await;
    let (outcome, hops) = follow(&http, &post("/"), &Customer::new(true), 10).await;
    assert_eq!(outcome.unwrap().status, 200);
    assert_eq!(hops.len(), 1);
    let head = &other.heads()[0];
    assert!(head.starts_with("POST /landing "), "{head}");
    assert_eq!(value(head, "content-length"), Some("2"));
    assert_eq!(value(head, "authorization"), None);
    assert_eq!(value(head, "host"), other.url.strip_prefix("http://"));
    assert_eq!(http.figures().opened, 2);
}

#[tokio::test]
async fn a_cookie_that_the_target_takes_back_is_sent_no_more_however_the_date_is_written() {
    for date in [
        "Tue, 01 Jan 2019 00:00:00 GMT",
        "Tue, 01 Jan 2019 00:00:00 UTC",
        "Tue, 01 Jan 2019 00:00:00 +0000",
        "tue, 01 jan 2019 00:00:00 gmt",
    ] {
        let server = RawServer::start(move |talk| {
            while let Some((head, _)) = talk.request() {
                let cookie = match head.split(' ').nth(1).unwrap() {
                    "/in" => "set-cookie: a=1; Path=/\r\n".to_owned(),
                    "/out" => format!("set-cookie: a=; expires={date}; Path=/\r\n"),
                    _ => String::new(),
                };
                talk.say(said(200, &cookie));
            }
        });
        let http = server.client().await;
        let customer = Customer::new(true);
        for path in ["/in", "/out", "/page"] {
            let (outcome, _) = follow(&http, &Request::get(path), &customer, 0).await;
            assert_eq!(outcome.unwrap().status, 200);
        }
        let heads = server.heads();
        let cookies: Vec<_> = heads.iter().map(|head| value(head, "cookie")).collect();
        assert_eq!(cookies, [None, Some("a=1"), None], "{date}");
    }
}
