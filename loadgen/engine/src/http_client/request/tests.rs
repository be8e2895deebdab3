use super::super::target::ConnectOptions;
use super::*;

fn encoded_for(request: &Request<'_>, url: &str) -> Result<String, HttpError> {
    let target = Target::parse(url, &ConnectOptions::default()).unwrap();
    let envelope = Envelope {
        target: &target,
        cookie: Some("c=1").filter(|_| url.contains("cookie")),
        accept_encoding: None,
        close: false,
    };
    let mut out = Vec::new();
    request.encode(&envelope, &mut out)?;
    let text = String::from_utf8(out).unwrap();
    Ok(text.replace(concat!("loadgen/", env!("CARGO_PKG_VERSION")), "us"))
}

fn encoded(request: &Request<'_>, url: &str) -> String {
    encoded_for(request, url).unwrap()
}

#[test]
fn a_get_is_a_line_its_host_and_its_sender() {
    assert_eq!(
        encoded(&Request::get("/a?b=c"), "http://shop"),
        "GET /a?b=c HTTP/1.1\r\nhost: shop\r\nuser-agent: us\r\n\r\n"
    );
}

#[test]
fn a_path_stands_below_the_targets_own_and_has_only_what_a_url_can_have() {
    for (path, url, expected) in [
        ("/a", "http://shop/base/", "/base/a"),
        ("a", "http://shop/base", "/base/a"),
        ("a", "http://shop", "/a"),
        ("?a=1", "http://shop", "/?a=1"),
        ("/größe?q=ü", "http://shop", "/gr%C3%B6%C3%9Fe?q=%C3%BC"),
        ("/a%20b|\"{}", "http://shop", "/a%20b%7C%22%7B%7D"),
        ("http://shop:80/next?p=2", "http://shop/base", "/next?p=2"),
        ("//double", "http://shop", "//double"),
    ] {
        let text = encoded(&Request::get(path), url);
        let found = text.split(' ').nth(1).unwrap();
        assert_eq!(found, expected, "{path} below {url}");
    }
    for path in ["http://other/a", "https://shop/a", "http://", "/a#b"] {
        let outcome = encoded_for(&Request::get(path), "http://shop");
        assert!(matches!(outcome, Err(HttpError::BadRequest(_))), "{path}");
    }
}

#[test]
fn a_post_has_its_trace_its_headers_and_its_length() {
    let request = Request {
        method: "POST",
        trace: Some(TraceContext {
            trace: 1,
            span: 2,
            sampled: true,
        }),
        headers: vec![("x-a", "b".into())],
        body: Some(b"{}".as_slice().into()),
        ..Request::get("/a")
    };
    assert_eq!(
        encoded(&request, "http://shop:81"),
        "POST /a HTTP/1.1\r\nhost: shop:81\r\nuser-agent: us\r\n\
         traceparent: 00-00000000000000000000000000000001-0000000000000002-01\r\nx-a: b\r\n\
         content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    );
}

#[test]
fn a_header_of_the_request_is_sent_once_and_instead_of_the_clients_own() {
    let request = Request {
        method: "POST",
        trace: Some(TraceContext {
            trace: 1,
            span: 2,
            sampled: false,
        }),
        headers: [
            ("Host", "a.example"),
            ("User-Agent", "mine"),
            ("Traceparent", "00-1"),
            ("Authorization", "Bearer x"),
            ("Content-Type", "text/plain"),
            ("Cookie", "own=1"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec(),
        body: Some(b"x".as_slice().into()),
        ..Request::get("/")
    };
    assert_eq!(
        encoded(&request, "http://me:pass@cookie"),
        "POST / HTTP/1.1\r\nHost: a.example\r\nUser-Agent: mine\r\nTraceparent: 00-1\r\nAuthorization: Bearer x\r\n\
         Content-Type: text/plain\r\nCookie: own=1; c=1\r\ncontent-length: 1\r\n\r\nx"
    );
    let framing = Request {
        headers: vec![("Content-Length", "7".into())],
        ..Request::get("/")
    };
    assert!(encoded_for(&framing, "http://shop").is_err());
}

#[test]
fn a_line_break_in_rendered_data_is_refused_and_no_second_header() {
    let rows = [
        Request::get("/a\r\nx: y"),
        Request::get("/a b"),
        Request {
            headers: vec![("x", "a\r\ny: z".into())],
            ..Request::get("/a")
        },
        Request {
            headers: vec![("x: y", "a".into())],
            ..Request::get("/a")
        },
    ];
    for request in rows {
        let outcome = encoded_for(&request, "http://shop");
        assert!(
            matches!(outcome, Err(HttpError::BadRequest(_))),
            "{request:?}"
        );
    }
}
