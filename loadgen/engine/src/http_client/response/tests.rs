use super::*;

const BYTES_MAX: usize = 1_000;

/// Decodes an answer in pieces of this size. Returns status, body, and whether the connection can be used again.
fn decode(answer: &str, to_head: bool, piece: usize) -> Result<(u16, String, bool), HttpError> {
    let mut decoder = Decoder::new(to_head, BYTES_MAX, AnswerHeaders::default());
    let mut read = Vec::new();
    for bytes in answer.as_bytes().chunks(piece) {
        read.extend_from_slice(bytes);
        if let Some(complete) = decoder.advance(&mut read)? {
            let body = decoder.chunks.as_ref().map_or(&read, |chunks| &chunks.body);
            let text = String::from_utf8(body[complete.body].to_vec()).unwrap();
            return Ok((complete.status, text, complete.keep_alive));
        }
    }
    let complete = decoder.closed(&read)?;
    let text = String::from_utf8(read[complete.body].to_vec()).unwrap();
    Ok((complete.status, text, complete.keep_alive))
}

#[test]
fn the_end_of_an_answer_is_found_however_it_was_cut_into_pieces() {
    let rows = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            false,
            (200, "hello", true),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
            true,
            (200, "", true),
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", false, (204, "", true)),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok",
            false,
            (201, "ok", true),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
            false,
            (200, "hello", true),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n",
            false,
            (200, "hello", true),
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 2\r\n\r\nok",
            false,
            (200, "ok", false),
        ),
        (
            "HTTP/1.1 200 OK\r\nconnection: close\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
            false,
            (200, "ok", false),
        ),
        (
            "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
            false,
            (200, "ok", true),
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\nuntil the end",
            false,
            (200, "until the end", false),
        ),
        (
            "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
            false,
            (200, "ok", false),
        ),
        (
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 102\r\n\r\nHTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok",
            false,
            (200, "ok", true),
        ),
        (
            "HTTP/1.1 200 OK\r\nx-note: one\r\n  and two\r\n\tand three\r\ncontent-length: 2\r\n\r\nok",
            false,
            (200, "ok", true),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length:\r\n 2\r\n\r\nok",
            false,
            (200, "ok", true),
        ),
        (
            "HTTP/1.1 200 OK\r\nx-note : one\r\nCONTENT-LENGTH  : 2\r\nno header at all\r\n\r\nok",
            false,
            (200, "ok", true),
        ),
        (
            "HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
            false,
            (200, "ok", true),
        ),
        (
            "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n2\nok\n0\n\n",
            false,
            (200, "ok", true),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\ncontent-length: 7\r\n\r\n2  \r\nok\r\n00\r\n\r\n",
            false,
            (200, "ok", true),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\ncontent-length: 2\r\n\r\nok",
            false,
            (200, "ok", true),
        ),
        (
            "HTTP/1.1 200 \u{fc}ber\r\nx: \u{fc}\r\ncontent-length: 2\r\n\r\nok",
            false,
            (200, "ok", true),
        ),
        (
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 200\r\n\r\n",
            false,
            (304, "", true),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            true,
            (200, "", true),
        ),
        (
            "\r\nHTTP/1.1  200   fine\r\ncontent-length: 2\r\n\r\nok",
            false,
            (200, "ok", true),
        ),
    ];
    for (answer, to_head, (status, body, keep_alive)) in rows {
        for piece in [1, 2, 7, 1_000] {
            let found = decode(answer, to_head, piece).unwrap();
            assert_eq!(
                found,
                (status, body.to_owned(), keep_alive),
                "{answer:?} in pieces of {piece}"
            );
        }
    }
}

#[test]
fn an_answer_may_have_any_number_of_header_lines_that_fits() {
    for lines in [63, 64, 65, 150, 5_000] {
        let more: String = (0..lines)
            .map(|n| format!("x-trace-{n}: {n}\r\n"))
            .collect();
        let answer = format!("HTTP/1.1 200 OK\r\n{more}content-length: 2\r\n\r\nok");
        let found = decode(&answer, false, 1_000).unwrap();
        assert_eq!(found, (200, "ok".to_owned(), true), "{lines} lines");
    }
}

#[test]
fn a_head_without_end_is_refused() {
    let more = "x: y\r\n".repeat(HEAD_BYTES_MAX);
    let outcome = decode(&format!("HTTP/1.1 200 OK\r\n{more}"), false, 100_000);
    assert!(matches!(outcome, Err(HttpError::TooLong)), "{outcome:?}");
}

#[test]
fn headers_that_the_client_acts_on_are_kept() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: /a\r\n b\r\nset-cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\n\
                  Content-Encoding: gzip\r\nKeep-Alive: timeout=5, max=100\r\ncontent-length: 0\r\n\r\n";
    let mut decoder = Decoder::new(false, BYTES_MAX, AnswerHeaders::default());
    let complete = decoder.advance(&mut answer.into()).unwrap().unwrap();
    let headers = decoder.headers.acted_on.unwrap();
    assert_eq!(headers.location.as_deref(), Some("/a b"));
    assert_eq!(headers.cookies, ["a=1", "b=2; Path=/"]);
    assert_eq!(headers.content_encoding.as_deref(), Some("gzip"));
    assert_eq!(complete.idle_max, Some(Duration::from_secs(5)));
}

#[test]
fn what_a_server_says_of_its_time_is_kept_where_it_is_asked_for() {
    let answer = "HTTP/1.1 200 OK\r\nServer-Timing: a;dur=1\r\nserver-timing: b;dur=2\r\n\
                  content-length: 0\r\n\r\n";
    for (wanted, expected) in [(true, Some("a;dur=1,b;dur=2")), (false, None)] {
        let headers = AnswerHeaders {
            wants_timing: wanted,
            ..AnswerHeaders::default()
        };
        let mut decoder = Decoder::new(false, BYTES_MAX, headers);
        decoder.advance(&mut answer.into()).unwrap();
        assert_eq!(decoder.headers.server_timing.as_deref(), expected);
    }
}

#[test]
fn an_answer_that_is_cut_off_says_how_much_of_it_had_come() {
    let head = "HTTP/1.1 200 OK\r\n";
    let rows = [
        (head.to_owned(), "17 bytes of an answer"),
        (
            format!("{head}content-length: 9\r\n\r\nshort"),
            "5 bytes of an answer's body",
        ),
        (
            format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n9\r\nsec"),
            "8 bytes of an answer's body",
        ),
    ];
    for (answer, expected) in rows {
        let mut read = answer.into();
        let mut decoder = Decoder::new(false, BYTES_MAX, AnswerHeaders::default());
        assert!(decoder.advance(&mut read).unwrap().is_none());
        let lost = decoder.closed(&read).unwrap_err();
        let says = format!("closed after {expected}");
        assert!(
            matches!(&lost, HttpError::ConnectionLost(why) if *why == says),
            "{lost:?}"
        );
    }
}

#[test]
fn what_is_no_answer_or_too_much_of_one_is_refused() {
    let kind = |answer: &str| decode(answer, false, 1_000).unwrap_err().to_string();
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let rows = [
        ("hello\r\n\r\n".to_owned(), "answer is not HTTP"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok".to_owned(),
            "answer is not HTTP",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok".to_owned(),
            "answer is not HTTP",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nok".to_owned(),
            "answer too long",
        ),
        ("HTTP/2.0 200 OK\r\n\r\n".to_owned(), "answer is not HTTP"),
        (format!("{chunked}+2\r\nok\r\n"), "answer is not HTTP"),
        (format!("{chunked}x\r\n"), "answer is not HTTP"),
        (format!("{chunked}2\r\nabc\r\n"), "answer is not HTTP"),
        (format!("{chunked}ffff\r\n"), "answer too long"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n".to_owned(),
            "answer too long",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort".to_owned(),
            "connection lost",
        ),
        (String::new(), "connection lost"),
    ];
    for (answer, expected) in rows {
        assert_eq!(kind(&answer), expected, "{answer:?}");
    }
}
