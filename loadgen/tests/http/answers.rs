//! Answers as servers send them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::raw_server::{LIMITS, OK, RawServer, send, value};
use loadgen_engine::http_client::{ClientLimits, HttpClient, HttpError};

/// The status and the body of the answer to one request, and whether a second one is answered too.
async fn answered(server: &RawServer, method: &'static str) -> (u16, String) {
    let http = server.client().await;
    let reply = send(&http, method, None).await.unwrap();
    let again = send(&http, method, None).await.unwrap();
    assert_eq!(again.status, reply.status);
    (
        reply.status,
        String::from_utf8_lossy(&reply.body).into_owned(),
    )
}

#[tokio::test]
async fn answers_are_taken_as_servers_send_them() {
    let long = "x-trace: 1\r\n".repeat(150);
    let large = format!("x-large: {}\r\n", "y".repeat(100_000));
    let rows: Vec<(&'static str, String, u16, &str)> = vec![
        ("GET", "HTTP/1.1 200 OK\r\nx-note: one\r\n  and two\r\ncontent-length: 2\r\n\r\nok".into(), 200, "ok"),
        ("GET", "HTTP/1.1 200 OK\r\nx-note : one\r\nContent-Length : 2\r\n\r\nok".into(), 200, "ok"),
        ("GET", format!("HTTP/1.1 200 OK\r\n{long}content-length: 2\r\n\r\nok"), 200, "ok"),
        ("GET", format!("HTTP/1.1 200 OK\r\n{large}content-length: 2\r\n\r\nok"), 200, "ok"),
        ("GET", "HTTP/1.1 200\ncOnTeNt-LeNgTh: 2\n\nok".into(), 200, "ok"),
        ("GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into(), 200, "ok"),
        ("GET", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;a=\"b\"\r\no\r\n1\r\nk\r\n0;last\r\nx-sum: 1\r\n\r\n".into(), 200, "ok"),
        ("GET", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok".into(), 200, "ok"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n".into(), 204, ""),
        ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n".into(), 304, ""),
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n".into(), 200, ""),
        ("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".into(), 200, ""),
    ];
    for (method, answer, status, body) in rows {
        let server = RawServer::always(answer.clone());
        let found = answered(&server, method).await;
        let excerpt: String = answer.chars().take(90).collect();
        assert_eq!(found, (status, body.to_owned()), "{excerpt:?}");
        assert_eq!(server.connections(), 1, "{excerpt:?}");
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_whole_then() {
    for answer in [
        "HTTP/1.1 200 OK\r\n\r\nok",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\ncontent-length: 9\r\n\r\nok",
    ] {
        let server = RawServer::once(answer);
        assert_eq!(
            answered(&server, "GET").await,
            (200, "ok".to_owned()),
            "{answer:?}"
        );
        assert_eq!(server.connections(), 2, "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_of_its_own_kind() {
    for (answer, kind) in [
        ("", "connection lost"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok",
            "connection lost",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
            "connection lost",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok",
            "answer is not HTTP",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nok\r\n",
            "answer is not HTTP",
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "answer is not HTTP"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1048577\r\n\r\n",
            "answer too long",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nok",
            "answer can't be decoded",
        ),
    ] {
        let server = RawServer::once(answer);
        let http = server.client().await;
        let error = send(&http, "POST", None).await.unwrap_err();
        assert_eq!(error.to_string(), kind, "{answer:?}");
    }
}

/// More than the buffers of a connection hold.
fn long_body() -> Option<String> {
    Some("x".repeat(16 << 20))
}

#[tokio::test]
async fn an_answer_before_the_request_was_sent_whole_is_the_answer() {
    let server = RawServer::start(|talk| {
        talk.head();
        talk.say("HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 9\r\n\r\ntoo large");
        // Never reads the body, and keeps the connection.
        std::thread::park_timeout(LIMITS.timeout);
    });
    let http = server.client().await;
    let reply = send(&http, "POST", long_body()).await.unwrap();
    assert_eq!((reply.status, &*reply.body), (413, &b"too large"[..]));
}

#[tokio::test]
async fn a_refusal_counts_even_if_the_target_closes_before_it_has_read_the_request() {
    let server = RawServer::start(|talk| {
        talk.head();
        talk.say("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n");
    });
    let http = server.client().await;
    for _ in 0..5 {
        match send(&http, "POST", long_body()).await {
            Ok(reply) => assert_eq!(reply.status, 401),
            // The close has overtaken the answer on its way: the kernel has thrown it away.
            Err(error) => assert!(matches!(error, HttpError::ConnectionLost(_)), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn a_target_that_answers_while_it_reads_gets_the_whole_request() {
    let server = RawServer::start(|talk| {
        let head = talk.head().unwrap();
        talk.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut left: usize = value(&head, "content-length").unwrap().parse().unwrap();
        // It reads no more before its answer is read, as a mirror does.
        while left > 0 {
            let piece = talk.read(left.min(64 << 10));
            left -= piece;
            talk.say(format!("{piece:x}\r\n{}\r\n", "y".repeat(piece)));
        }
        talk.say("0\r\n\r\n");
    });
    let limits = ClientLimits {
        response_bytes_max: 32 << 20,
        ..LIMITS
    };
    let http = HttpClient::new(server.target().await, limits);
    let reply = send(&http, "POST", long_body()).await.unwrap();
    assert_eq!(reply.body.len(), 16 << 20);
}

#[tokio::test]
async fn an_answer_that_comes_byte_by_byte_is_whole_at_its_end() {
    let server = RawServer::start(|talk| {
        while talk.request().is_some() {
            for byte in OK.bytes() {
                talk.say([byte]);
            }
        }
    });
    assert_eq!(answered(&server, "GET").await, (200, "ok".to_owned()));
}

#[tokio::test]
async fn what_stands_behind_a_gzip_body_is_left_out() {
    for padding in [&[0; 512][..], b"\r\n", b"\0"] {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(b"ok").unwrap();
        let body = [&gzip.finish().unwrap()[..], padding].concat();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let server = RawServer::always([head.into_bytes(), body].concat());
        let found = answered(&server, "GET").await;
        assert_eq!(found, (200, "ok".to_owned()), "{padding:?}");
    }
}
