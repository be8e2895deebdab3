//! What a scenario says about HTTP.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::CompressionLevel;

use super::raw_server::{OK, RawServer, value};
use super::support::Loadgen;

pub fn scenario(http: &str, steps: &str) -> String {
    format!(
        r#"name = "test"
description = "HTTP as a scenario wants it"
audit = false
{http}
[workload]
kind = "open"
rate = 2.0
duration = "1s"
[limits]
slip_p99_max = "2s"
loop_stall_p99_max = "2s"
[[journeys]]
name = "visit"
{steps}
"#
    )
}

pub fn get(path: &str, more: &str) -> String {
    format!(
        "[[journeys.steps]]\nname = \"get {path}\"\nrequest = {{ method = \"GET\", path = \"{path}\" }}\n{more}\n"
    )
}

fn shop() -> RawServer {
    RawServer::start(|talk| {
        while let Some((head, _)) = talk.request() {
            let path = head.split(' ').nth(1).unwrap();
            let answer = match path {
                "/login" => {
                    "HTTP/1.1 302 Found\r\nset-cookie: session=7; Path=/\r\nlocation: /home\r\ncontent-length: 0\r\n\r\n"
                }
                _ => OK,
            };
            talk.say(answer);
        }
    })
}

#[test]
fn each_journey_has_cookies_of_its_own_and_redirects_are_in_the_report() {
    let server = shop();
    let steps = get("/login", "") + &get("/cart", "");
    let run = Loadgen::scenario(&scenario("", &steps)).arguments(&["--target", &server.url]);
    let ended = run.run();
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let heads = server.heads();
    let cookies = |path: &str| {
        let heads = heads.iter().filter(|head| head.contains(path));
        heads
            .map(|head| value(head, "cookie").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(cookies("/login"), [None, None]);
    assert_eq!(
        cookies("/home"),
        [Some("session=7".to_owned()), Some("session=7".to_owned())]
    );
    assert_eq!(cookies("/cart"), cookies("/home"));
    let report = ended.report();
    let redirect = &report["http"]["redirects"][0];
    assert_eq!(
        (&redirect["step"], &redirect["status"], &redirect["count"]),
        (&"get /login".into(), &302.into(), &2.into())
    );
    assert_eq!(redirect["to"], format!("GET {}/home", server.url));
    assert_eq!(
        report["steps"][0]["count"], 2,
        "one request with all its redirects"
    );
    assert_eq!(report["http"]["requests"], 6);
    assert!(ended.stdout.contains("Redirects"), "{}", ended.stdout);
}

#[test]
fn a_scenario_can_do_without_cookies_and_redirects_and_an_expected_one_is_an_answer() {
    let expected = "expect = { status = 302 }";
    for http in [
        "",
        "[http]\nredirects = 0\ncookies = false\nkeep_alive = false\n",
    ] {
        let server = shop();
        let steps = get("/login", expected) + &get("/cart", "");
        let run = Loadgen::scenario(&scenario(http, &steps)).arguments(&["--target", &server.url]);
        let ended = run.run();
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
        let heads = server.heads();
        let cart = heads.iter().find(|head| head.contains("/cart")).unwrap();
        assert!(!heads.iter().any(|head| head.contains("/home")));
        assert_eq!(value(cart, "cookie").is_some(), http.is_empty());
        assert_eq!(value(cart, "connection").is_some(), !http.is_empty());
    }
}

#[test]
fn a_scenario_limits_the_requests_of_a_connection() {
    for (http, most) in [("", 3), ("[http]\nrequests_per_connection = 2\n", 2)] {
        let seen = Arc::new(AtomicUsize::new(0));
        let log = seen.clone();
        let server = RawServer::start(move |talk| {
            let mut pages = 0;
            while let Some((head, _)) = talk.request() {
                pages += usize::from(head.contains("/page"));
                log.fetch_max(pages, Ordering::SeqCst);
                talk.say(OK);
            }
        });
        let steps = ["/page/1", "/page/2", "/page/3"].map(|path| get(path, ""));
        let run = Loadgen::scenario(&scenario(http, &steps.concat()));
        let ended = run.arguments(&["--target", &server.url]).run();
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
        let seen = seen.load(Ordering::SeqCst);
        let as_asked = match http.is_empty() {
            true => seen >= most,
            false => seen == most,
        };
        assert!(as_asked, "{http}: {seen}");
    }
}

#[test]
fn a_request_is_not_repeated_without_a_pause_though_the_answer_asks_for_none() {
    let busy = "HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n";
    let server = RawServer::always(busy);
    let steps = get("/busy", "").replace("\"/busy\" }", "\"/busy\", retry = \"1s\" }");
    let run = Loadgen::scenario(&scenario("", &steps)).arguments(&["--target", &server.url]);
    let ended = run.run();
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let heads = server.heads();
    let asked = heads.iter().filter(|head| head.starts_with("GET /busy"));
    // Two journeys, each with a pause of 200 ms between two requests.
    let asked = asked.count();
    assert!((4..=10).contains(&asked), "{asked}");
}

#[test]
fn compressed_answers_are_checked_decoded_and_both_sizes_are_told() {
    let text = format!("{{\"id\": 7, \"text\": \"{}\"}}", "again ".repeat(1_000));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(text.as_bytes(), CompressionLevel::Fastest);
    for (coding, body) in [("gzip", gzip.finish().unwrap()), ("zstd", zstd)] {
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        answer.extend(&body);
        let server = RawServer::always(answer);
        let steps = get("/", "expect = { equal = { \"/id\" = 7 } }");
        let http = format!("[http]\naccept_encoding = [\"{coding}\", \"br\"]");
        let run = Loadgen::scenario(&scenario(&http, &steps)).arguments(&["--target", &server.url]);
        let ended = run.run();
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
        let heads = server.heads();
        let last = heads.iter().find(|head| head.starts_with("GET / "));
        let accepted = format!("{coding}, br");
        assert_eq!(value(last.unwrap(), "accept-encoding"), Some(&*accepted));
        let answers = &ended.report()["http"]["answers"][0];
        assert_eq!(answers["wire_bytes"], 2 * body.len());
        assert_eq!(answers["body_bytes"], 2 * text.len());
    }
}

#[test]
fn what_could_not_be_sent_right_is_refused_with_its_place() {
    let post = |headers: &str| {
        format!(
            "[[journeys.steps]]\nname = \"post\"\nrequest = {{ method = \"POST\", path = \"/\", headers = {{ {headers} }} }}\n"
        )
    };
    for (http, steps, line, told) in [
        (
            "",
            post("Content-Length = \"7\""),
            16,
            "follows from the body",
        ),
        (
            "",
            post("transfer-encoding = \"chunked\""),
            16,
            "follows from the body",
        ),
        ("", post("Host = \"a\", host = \"b\""), 16, "twice"),
        (
            "",
            post("\"x name\" = \"a\""),
            16,
            "`x name` has characters that HTTP does not allow",
        ),
        (
            "[http]\nprotocol = \"h2\"",
            post("Connection = \"close\""),
            17,
            "HTTP/2 has no header `Connection`",
        ),
        (
            "",
            post("x-due = 2024-05-17"),
            16,
            "2024-05-17 is no text; allowed: a text in quotes",
        ),
        (
            "",
            get("/", "expect = { status = 20 }"),
            17,
            "20 is no status; allowed: a whole number from 100 to 599",
        ),
        (
            "",
            get("/", "repeat = \"many\""),
            17,
            "\"many\" is not a count; allowed: a whole number from 1",
        ),
        (
            "",
            get("/", "expect = { response_time_max = 1 }"),
            17,
            "allowed: a duration in quotes, as in",
        ),
        (
            "",
            get("http://other.example/a", ""),
            16,
            "the path is a URL",
        ),
        (
            "",
            get("HTTPS://other.example/{{uuid}}", ""),
            16,
            "the path is a URL",
        ),
        ("", get("/a#b", ""), 16, "fragment"),
        (
            "[http]\nredirects = 51",
            get("/", ""),
            5,
            "`redirects` is out of range",
        ),
        (
            "[http]\nrequests_per_connection = 0",
            get("/", ""),
            5,
            "out of range",
        ),
        (
            "[http]\nprotocol = \"h2\"\nkeep_alive = false",
            get("/", ""),
            6,
            "HTTP/1.1 only",
        ),
        ("[http]\nprotocol = \"h3\"", get("/", ""), 5, "h3"),
        (
            "[http]\nproxy = \"10.0.0.1:3128\"",
            get("/", ""),
            5,
            "http://host:port, socks5://host:port, or none",
        ),
        ("[http]\ncookie = false", get("/", ""), 5, "cookies"),
    ] {
        let run = Loadgen::scenario(&scenario(http, &steps));
        let ended = run.arguments(&["--target", "http://127.0.0.1:1"]).run();
        assert_eq!(ended.code, 2, "{http} {steps}");
        let place = format!("test.toml:{line}:");
        let flat = ended.stderr.replace('│', " ");
        let flat = flat.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            flat.contains(told) && flat.contains(&place),
            "{http} {steps} {place} {flat}"
        );
    }
}
