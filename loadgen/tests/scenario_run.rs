//! Scenarios against a service that is not OrderShop: what is sent, how often, and what the report says.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "support/journeys.rs"]
mod journeys;
#[path = "support/page.rs"]
mod page;
#[path = "support/service.rs"]
mod service;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use journeys::{ROOM, journeys, lines};
use page::legend;
use serde_json::{Value, json};
use service::{Asked, Ended, Folder, Service};

fn ok(_: &Asked) -> (u16, String) {
    (200, "{}".into())
}

#[test]
fn what_new_writes_runs_as_it_is_against_any_service() {
    let service = Service::start(|_| (200, "<html>welcome</html>".into()));
    let folder = Folder::new();
    assert_eq!(folder.loadgen(&["new", "shop"]).code, 0);
    let text = std::fs::read_to_string(folder.0.path().join("shop.toml")).unwrap();
    let roomy = text
        .replace("[workload]", &format!("{ROOM}[workload]"))
        .replace("500ms\"", "10s\"")
        .replace("< 500ms'", "< 10s'");
    let folder = folder.with("shop.toml", &roomy);

    let ended = folder.run("shop.toml", &service, &[]);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let report = folder.report();
    assert_eq!(report["verdict"]["result"], "PASS");
    // It has neither events nor a backlog, and that is no reason for a warning.
    for word in ["event lag", "backlog", "its Redis"] {
        assert!(!ended.stdout.contains(word), "{}", ended.stdout);
    }
    // From 13.3/s to 20/s for a second, 20/s for 6 s, 60/s for 1 s, from 60/s to 0 in 2 s.
    assert!(ended.stdout.contains("(25.7/s asked)"), "{}", ended.stdout);
    // 30 in the first ramp, 120, 60, and 60 in the last: one to three pages each.
    let started = report["journeys"]["completed"].as_u64().unwrap();
    assert!(
        (200..=270).contains(&started),
        "{started} after the warm-up"
    );
    let asked = service.asked();
    assert!((270..=810).contains(&asked.len()), "{}", asked.len());
    let languages = ["en", "de", "fr"];
    assert!(
        asked
            .iter()
            .all(|a| languages.contains(&a.headers["accept-language"].as_str()))
    );
    assert_eq!(report["steps"][0]["tags"], json!(["read"]));
    let window = &report["thresholds"][2];
    assert!(
        window["reason"].as_str().unwrap().contains(" s to "),
        "{window}"
    );
}

/// An open workload of one POST, 50 a second.
fn posts(duration: &str) -> Folder {
    let text = format!(
        "name = \"t\"\ndescription = \"d\"\n{ROOM}[workload]\nkind = \"open\"\nrate = 50.0\nduration = \"{duration}\"\n[[journeys]]\nname = \"j\"\n[[journeys.steps]]\nname = \"post\"\nrequest = {{ method = \"POST\", path = \"/things\" }}\n"
    );
    Folder::new().with("t.toml", &text)
}

/// Runs these against a service that is gone after 20 requests; from then on its port refuses connections.
fn posted_to_a_dying_service(folder: &Folder, more: &[&str]) -> Ended {
    let service = Service::start(|_| (201, "{}".into()));
    let url = service.url.clone();
    let death = std::thread::spawn(move || {
        while service.asked().len() < 20 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        drop(service);
    });
    let run = ["run", "t.toml", "--target", &url, "--out", "out"];
    let ended = folder.loadgen(&[&run, more].concat());
    death.join().unwrap();
    ended
}

#[test]
fn a_target_that_dies_fails_the_run_and_its_refusals_are_in_no_response_time() {
    let folder = posts("4s");
    let ended = posted_to_a_dying_service(&folder, &[]);
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    for said in ["verdict: FAIL", "journeys.error_rate <= 5%: it was "] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
    let report = folder.report();
    let errors = report["errors"].to_string();
    assert!(errors.contains("refused"), "{errors}");
    let step = &report["steps"][0];
    let number = |pointer: &str| step.pointer(pointer).unwrap().as_u64().unwrap();
    // At most those were answered that the service has seen, and one that it was just answering.
    assert!(
        (1..=100).contains(&number("/response_time_us/count")),
        "{step:#}"
    );
    assert!(number("/unanswered") >= 100, "{step:#}");
    for times in ["response_time_us", "service_time_us"] {
        let answered = number(&format!("/{times}/count"));
        assert_eq!(
            answered + number("/unanswered"),
            number("/count"),
            "{times}"
        );
    }
}

#[test]
fn a_target_that_knows_no_path_of_the_scenario_fails_the_run_without_any_threshold() {
    let service = Service::start(|_| (404, String::new()));
    let folder = posts("500ms");
    let ended = folder.run("t.toml", &service, &[]);
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    for said in ["verdict: FAIL", "no journey was completed: ", "status 404"] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
}

#[test]
fn a_service_that_never_had_the_shops_interface_is_not_failed_by_its_absence_at_the_end() {
    let folder = posts("2s");

    let ended = posted_to_a_dying_service(&folder, &["--max-error-rate", "100%"]);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let report = folder.report();
    assert!(report["journeys"]["failed"].as_u64().unwrap() > 0);
    let why = report["audit"]["not_possible"].as_str().unwrap();
    assert!(why.contains("no /metrics"), "{why}");
}

#[test]
fn forms_texts_queries_and_headers_are_sent_as_they_are_meant() {
    let service = Service::start(|asked| match asked.path.as_str() {
        "/login" => (303, "hello <b>Ann & Bob</b>".into()),
        _ => (200, json!({ "data": [{ "key": "k 1" }] }).to_string()),
    });
    let steps = r#"
[[journeys.steps]]
request = { method = "POST", path = "/login", form = { user = "Ann & {{name}}", "pass word" = "ü=1" } }
expect = { status = 303, contain = ["Ann &", "{{name}}"] }
[[journeys.steps]]
request = { method = "GET", path = "/items", query = { q = "a b/{{name}}", page = "1" }, headers = { x-token = "t-{{name|upper}}" } }
extract = { key = "/data/0/key" }
[[journeys.steps]]
request = { method = "PUT", path = "/items/{{key|url}}", text = "plain {{key}}" }
[[journeys.steps]]
request = { method = "POST", path = "/graphql", text = "<q>{{key}}</q>", headers = { Content-Type = "application/xml" } }
[[journeys.steps]]
request = { method = "PATCH", path = "/items", body = { key = "{{key}}", n = "{{count|number|add:1}}" } }
"#;
    let text = journeys(1, "[parameters]\nname = \"Bob\"\ncount = \"41\"\n", steps);
    let folder = Folder::new().with("test.toml", &text);

    let ended = folder.run("test.toml", &service, &[]);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let asked = service.asked();
    let sent: Vec<(String, &str, &str)> = asked
        .iter()
        .map(|a| {
            let content_type = a.headers.get("content-type").map_or("", String::as_str);
            (a.line(), content_type, a.body.as_str())
        })
        .collect();
    assert_eq!(
        sent,
        [
            (
                "POST /login".into(),
                "application/x-www-form-urlencoded",
                "pass%20word=%C3%BC%3D1&user=Ann%20%26%20Bob"
            ),
            ("GET /items?page=1&q=a%20b%2FBob".into(), "", ""),
            (
                "PUT /items/k%201".into(),
                "text/plain; charset=utf-8",
                "plain k 1"
            ),
            ("POST /graphql".into(), "application/xml", "<q>k 1</q>"),
            (
                "PATCH /items".into(),
                "application/json",
                "{\"key\":\"k 1\",\"n\":42}"
            ),
        ]
    );
    assert_eq!(asked[1].headers["x-token"], "t-BOB");
}

#[test]
fn a_wrong_status_or_a_missing_text_is_an_error_of_its_own_kind() {
    let service = Service::start(|asked| match asked.path.as_str() {
        "/text" => (200, "good bye".into()),
        _ => (201, "{}".into()),
    });
    for (path, expect, kind) in [
        ("/text", "contain = \"welcome\"", "missing text"),
        ("/status", "status = [200, 204]", "status 201"),
    ] {
        let steps = format!(
            "[[journeys.steps]]\nname = \"get\"\nrequest = {{ method = \"GET\", path = \"{path}\" }}\nexpect = {{ {expect} }}\n"
        );
        let folder = Folder::new().with("test.toml", &journeys(1, "", &steps));
        assert_eq!(folder.run("test.toml", &service, &[]).code, 1);
        let error = &folder.report()["errors"][0];
        assert_eq!(
            (&error["step"], &error["kind"]),
            (&json!("get"), &json!(kind))
        );
    }
}

#[test]
fn answers_with_an_error_are_apart_from_good_ones_and_more_than_the_bound_fails_the_run() {
    let count = AtomicU64::new(0);
    let service = Service::start(move |_| match count.fetch_add(1, Ordering::SeqCst) % 5 {
        0 => (429, String::new()),
        _ => (200, "{}".into()),
    });
    let text = format!(
        "name = \"test\"\ndescription = \"d\"\n{ROOM}[workload]\nkind = \"open\"\nrate = 40.0\nduration = \"1s\"\n[[journeys]]\nname = \"j\"\n[[journeys.steps]]\nname = \"get\"\nrequest = {{ method = \"GET\", path = \"/\" }}\n"
    );
    let folder = Folder::new().with("test.toml", &text);

    let ended = folder.run("test.toml", &service, &[]);

    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended
            .stdout
            .contains("journeys.error_rate <= 5%: it was 20.000 %")
    );
    let report = folder.report();
    let step = &report["steps"][0];
    let counts = ["response_time_us", "failed_time_us", "unanswered_time_us"];
    assert_eq!(
        counts.map(|key| step[key]["count"].as_u64().unwrap()),
        [32, 8, 0]
    );
    assert!(ended.stdout.contains("answered with an error"));
    let page = std::fs::read_to_string(folder.0.path().join("out/report.html")).unwrap();
    let lines = legend(&page, "spectrum");
    assert!(lines.contains("answered with an error"), "{lines}");
    for (bound, code) in [("30%", 0), ("0.3", 0), ("10%", 1)] {
        let arguments = ["--max-error-rate", bound, "--out", bound];
        let run = ["run", "test.toml", "--target", &service.url];
        let ended = folder.loadgen(&[&run[..], &arguments].concat());
        assert_eq!(
            ended.code, code,
            "{bound}: {}{}",
            ended.stdout, ended.stderr
        );
    }
}

#[test]
fn dates_go_out_as_text_and_numbers_are_equal_by_their_value() {
    let service = Service::start(|_| (200, r#"{"total": 10.0, "lines": [{"n": 2}]}"#.into()));
    let steps = r#"
[[journeys.steps]]
request = { method = "POST", path = "/", body = { due = 2024-05-17, at = [2024-05-17T10:00:00Z, 10:00:00], since = "{{since}}", day = "{{row.day}}" } }
expect = { equal = { "/total" = 10, "/lines" = [{ n = 2.0 }] } }
"#;
    let more = "[parameters]\nsince = 2024-01-31\n[[feeders]]\nname = \"row\"\nitems = [{ day = 2024-02-29 }]\npick = \"sequential\"\n";
    let folder = Folder::new().with("test.toml", &journeys(1, more, steps));
    let ended = folder.run("test.toml", &service, &[]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let sent: Value = serde_json::from_str(&service.asked()[0].body).unwrap();
    assert_eq!(
        sent,
        json!({
            "due": "2024-05-17", "at": ["2024-05-17T10:00:00Z", "10:00:00"],
            "since": "2024-01-31", "day": "2024-02-29"
        })
    );
}

#[test]
fn conditions_and_loops_send_exactly_what_they_should() {
    let service = Service::start(|asked| match asked.path.as_str() {
        "/cart" => (
            200,
            json!({ "items": ["a", "b"], "open": true }).to_string(),
        ),
        _ => ok(asked),
    });
    let steps = r#"
[[journeys.steps]]
request = { method = "GET", path = "/cart" }
extract = { items = "/items", open = "/open" }

[[journeys.steps]]
if = "{{number}} == 1 and {{open}}"
request = { method = "GET", path = "/only-the-second" }

[[journeys.steps]]
name = "each item"
for_each = "items"
steps = [
  { request = { method = "GET", path = "/item/{{it}}/{{index}}" } },
  { repeat = 2, request = { method = "GET", path = "/inner/{{index}}" } },
  { if = "{{index}} == 1", request = { method = "GET", path = "/last/{{it}}" } },
]

[[journeys.steps]]
repeat = "{{number}}"
request = { method = "GET", path = "/repeat/{{index}}" }

[[journeys.steps]]
if = "not ({{items|length}} == 2)"
steps = [{ request = { method = "GET", path = "/never" } }]
"#;
    let folder = Folder::new().with("test.toml", &journeys(2, "", steps));

    let ended = folder.run("test.toml", &service, &[]);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let each = [
        "GET /item/a/0",
        "GET /inner/0",
        "GET /inner/1",
        "GET /item/b/1",
        "GET /inner/0",
        "GET /inner/1",
        "GET /last/b",
    ];
    let first = [vec!["GET /cart"], each.to_vec()].concat();
    let second = [
        vec!["GET /cart", "GET /only-the-second"],
        each.to_vec(),
        vec!["GET /repeat/0"],
    ]
    .concat();
    assert_eq!(lines(&service), [first, second].concat());
}

#[test]
fn until_asks_again_until_it_holds_and_a_bound_that_is_reached_fails_the_journey() {
    let times = AtomicU64::new(0);
    let service = Service::start(move |_| {
        let n = times.fetch_add(1, Ordering::SeqCst) + 1;
        (
            200,
            json!({ "state": if n == 4 { "DONE" } else { "BUSY" } }).to_string(),
        )
    });
    let poll = |max: u32| {
        let steps = format!(
            "[[journeys.steps]]\nname = \"poll\"\nuntil = \"{{{{state}}}} == 'DONE'\"\nmax = {max}\nsteps = [\n  {{ request = {{ method = \"GET\", path = \"/state\" }}, extract = {{ state = \"/state\" }} }},\n  {{ think = \"1ms\" }},\n]\n"
        );
        Folder::new().with("test.toml", &journeys(1, "", &steps))
    };
    let enough = poll(10);
    assert_eq!(enough.run("test.toml", &service, &[]).code, 0);
    assert_eq!(service.count("GET /state"), 4);

    let short = poll(3);
    assert_eq!(short.run("test.toml", &service, &[]).code, 1);
    assert_eq!(service.count("GET /state"), 4 + 3);
    let error = &short.report()["errors"][0];
    assert_eq!(
        (&error["step"], &error["kind"]),
        (&json!("poll"), &json!("loop bound"))
    );
}

#[test]
fn a_journey_that_fails_with_good_answers_only_is_an_error_of_the_run() {
    let service = Service::start(|_| (200, "{}".to_owned()));
    let steps = r#"
[[journeys.steps]]
name = "poll"
while = "1 == 1"
max = 3
request = { method = "GET", path = "/state" }
"#;
    // Six good answers, two loops that do not end, and a third journey without a number.
    for (threshold, missed, figure) in [
        ("error_rate < 20%", "error_rate < 20%", 0.25),
        (
            "requests.error_rate < 20%",
            "journeys.error_rate <= 5%",
            2.0 / 3.0,
        ),
    ] {
        let text = journeys(2, "", steps).replace(
            r#"["journeys.failed == 0", "journeys.completed == 2"]"#,
            &format!("[\"{threshold}\"]"),
        );
        let folder = Folder::new().with("test.toml", &text);

        let ended = folder.run("test.toml", &service, &[]);

        assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
        let report = folder.report();
        let mut rows = report["thresholds"].as_array().unwrap().iter();
        let row = rows.find(|row| row["threshold"] == missed).unwrap();
        assert_eq!(
            (&row["passed"], &row["figure"]),
            (&json!(false), &json!(figure))
        );
    }
}

#[test]
fn a_while_loop_looks_before_each_time_and_skip_ends_a_journey_with_its_reason() {
    let service = Service::start(|asked| {
        let left: i64 = asked.path.rsplit('/').next().unwrap().parse().unwrap();
        (200, json!({ "left": left - 1 }).to_string())
    });
    let steps = r#"
[[journeys.steps]]
request = { method = "GET", path = "/start/4" }
extract = { left = "/left" }
[[journeys.steps]]
while = "{{left}} > 0"
max = 10
request = { method = "GET", path = "/next/{{left}}" }
extract = { left = "/left" }
[[journeys.steps]]
if = "{{left}} == 0"
skip = "nothing left"
[[journeys.steps]]
request = { method = "GET", path = "/after/1" }
"#;
    let text = journeys(1, "", steps).replace("journeys.completed == 1", "journeys.skipped == 2");
    let folder = Folder::new().with("test.toml", &text);
    let ended = folder.run("test.toml", &service, &[]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(
        lines(&service),
        ["GET /start/4", "GET /next/3", "GET /next/2", "GET /next/1"]
    );
    assert_eq!(folder.report()["skipped"]["nothing left"], 1);
}

#[test]
fn a_csv_beside_the_scenario_is_read_once_and_the_run_ends_with_its_last_line() {
    let service = Service::start(ok);
    let text = r#"name = "test"
description = "d"
thresholds = ["journeys.completed == 3", "error_rate == 0"]
ROOM
[workload]
kind = "open"
rate = 50.0
duration = "60s"
[[feeders]]
name = "user"
csv = "data/users.csv"
pick = "sequential"
at_end = "stop"
[[journeys]]
name = "j"
[[journeys.steps]]
request = { method = "POST", path = "/{{user.name}}", body = { age = "{{user.age|number}}" } }
"#;
    let folder = Folder::new()
        .with("sub/test.toml", &text.replace("ROOM", ROOM))
        .with("sub/data/users.csv", "name,age\nann,30\nbob,31\neve,32\n");
    let start = Instant::now();

    let ended = folder.run("sub/test.toml", &service, &[]);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "it did not go on for a minute"
    );
    let bodies: Vec<(String, String)> = service
        .asked()
        .into_iter()
        .map(|a| (a.path, a.body))
        .collect();
    let expected = [("/ann", 30), ("/bob", 31), ("/eve", 32)];
    assert_eq!(
        bodies,
        expected.map(|(path, age)| (path.to_owned(), format!("{{\"age\":{age}}}")))
    );
    let warnings = folder.report()["warnings"].to_string();
    assert!(warnings.contains("no more values"), "{warnings}");
}

/// Accounts are created and removed again; account 1 can't be removed.
const ACCOUNTS: &str = r#"
[[setup]]
name = "accounts"
repeat = 3
request = { method = "POST", path = "/accounts", body = { name = "{{index}}" } }
extract = { id = "/id" }
list = "accounts"
[[setup]]
name = "nothing"
if = "{{accounts|length}} == 0"
request = { method = "POST", path = "/never" }
[[teardown]]
name = "accounts"
for_each = "accounts"
request = { method = "DELETE", path = "/accounts/{{it.id}}" }
[[teardown]]
name = "session"
request = { method = "POST", path = "/logout" }
"#;

fn accounts() -> Service {
    let made = AtomicU64::new(0);
    Service::start(move |asked| match asked.line().as_str() {
        "POST /accounts" => (
            201,
            json!({ "id": made.fetch_add(1, Ordering::SeqCst) }).to_string(),
        ),
        "DELETE /accounts/1" => (409, "busy".into()),
        _ => (200, "{}".into()),
    })
}

/// Asserts that tear-down ran after the load, and that its failure is a warning.
fn assert_undone(service: &Service, report: &Value) {
    let lines = lines(service);
    let tail = &lines[lines.len() - 4..];
    assert_eq!(
        tail,
        [
            "DELETE /accounts/0",
            "DELETE /accounts/1",
            "DELETE /accounts/2",
            "POST /logout"
        ]
    );
    assert!(
        lines[3..lines.len() - 4].iter().all(|l| l == "GET /"),
        "{lines:?}"
    );
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("1 of 3 requests failed") && warnings.contains("409"),
        "{warnings}"
    );
}

#[test]
fn tear_down_undoes_what_set_up_made_after_the_load() {
    let service = accounts();
    let steps = "[[journeys.steps]]\nrequest = { method = \"GET\", path = \"/\" }\n";
    let folder = Folder::new().with("test.toml", &journeys(5, ACCOUNTS, steps));
    let ended = folder.run("test.toml", &service, &[]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(service.count("GET /"), 5);
    assert_undone(&service, &folder.report());
}

#[test]
fn tear_down_comes_after_ctrl_c_too() {
    let service = accounts();
    let text = format!(
        "name = \"test\"\ndescription = \"d\"\n{ACCOUNTS}[workload]\nkind = \"open\"\nrate = 50.0\nduration = \"60s\"\n[[journeys]]\nname = \"j\"\n[[journeys.steps]]\nrequest = {{ method = \"GET\", path = \"/\" }}\n"
    );
    let folder = Folder::new().with("test.toml", &text);
    let child = folder.start(&["run", "test.toml", "--target", &service.url, "--out", "out"]);
    let start = Instant::now();
    while service.count("GET /") < 10 {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "the load has not begun"
        );
        std::thread::yield_now();
    }
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status();
    assert!(sent.unwrap().success());
    service::ended(child.wait_with_output().unwrap());
    assert_undone(&service, &folder.report());
}

#[test]
fn a_slow_second_is_found_by_a_window_and_not_by_the_whole_run() {
    let asked = AtomicU64::new(0);
    // 100 requests a second. From 2.5 s on, nothing is answered for 1.2 s, so that the fourth second has the slow answers.
    let service = Service::start(move |a| {
        if asked.fetch_add(1, Ordering::SeqCst) == 250 {
            std::thread::sleep(Duration::from_millis(1_200));
        }
        ok(a)
    });
    let text = r#"name = "test"
description = "d"
thresholds = ["p(50) < 900ms", "tag[\"page\"].max over 1s < 900ms", "step[\"get\"].p(50) last 1s < 900ms", "step[\"get\"].per_s over 1s > 10", "event_lag.p99 < 1s"]
ROOM
[workload]
kind = "open"
rate = 100.0
duration = "6s"
[[journeys]]
name = "j"
tags = ["shop"]
[[journeys.steps]]
name = "get"
tags = ["page"]
request = { method = "GET", path = "/" }
"#;
    let folder = Folder::new().with("test.toml", &text.replace("ROOM", ROOM));
    let ended = folder.run("test.toml", &service, &[]);
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let report = folder.report();
    let row = |i: usize| {
        let row = &report["thresholds"][i];
        (
            row["passed"].as_bool().unwrap(),
            row["reason"].as_str().unwrap().to_owned(),
        )
    };
    assert!(row(0).0, "over the whole run: {}", row(0).1);
    let (passed, reason) = row(1);
    assert!(!passed && reason.contains("from 3 s to 4 s"), "{reason}");
    assert!(
        row(2).0 && row(2).1.contains("from 5 s to 6 s"),
        "{}",
        row(2).1
    );
    assert!(row(3).0, "{}", row(3).1);
    assert_eq!(
        row(4),
        (false, "there are no samples".to_owned()),
        "this target has no events"
    );
    assert_eq!(report["steps"][0]["tags"], json!(["page", "shop"]));
    let reasons = report["verdict"]["reasons"].to_string();
    assert!(
        reasons.contains("there are no samples") && reasons.contains(" s to "),
        "{reasons}"
    );
}

#[test]
fn what_a_server_answers_and_a_file_names_can_not_steer_a_terminal_or_break_a_table() {
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\u{9b}31m\u{202e}";
    let service = Service::start(move |_| (500, format!("{evil}\n| a | b |\n<b>`x`")));
    let name = "\"get | <b>\\n`x`\\u001B[31m\\r\"";
    let steps = format!(
        "[[journeys.steps]]\nname = {name}\nrequest = {{ method = \"GET\", path = \"/\" }}\n"
    );
    let folder = Folder::new().with("evil.toml", &journeys(2, "", &steps));

    let ended = folder.run("evil.toml", &service, &[]);
    let again = folder.loadgen(&["report", "out"]);

    assert_eq!(
        (ended.code, again.code),
        (1, 0),
        "{}{}",
        ended.stderr,
        again.stderr
    );
    let file =
        |name: &str| std::fs::read_to_string(folder.0.path().join("out").join(name)).unwrap();
    let texts = ["summary.md", "report.html", "report.json"].map(file);
    for text in texts
        .iter()
        .chain([&ended.stdout, &ended.stderr, &again.stderr])
    {
        let steers = |c: char| (c.is_control() && !"\n\t".contains(c)) || c == '\u{202e}';
        assert!(!text.contains(steers), "{text:?}");
    }
    assert!(
        ended.stdout.contains("\\u001b]0;owned\\u0007"),
        "{}",
        ended.stdout
    );
    // Each row of a table has as many cells as its head.
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let tables = texts[0].lines().collect::<Vec<_>>();
    for pair in tables
        .windows(2)
        .filter(|p| p[0].starts_with('|') && p[1].starts_with('|'))
    {
        assert_eq!(cells(pair[0]), cells(pair[1]), "{pair:?}");
    }
    assert!(
        !texts[0].contains("<b>\n") && !texts[1].contains("<b>"),
        "{}",
        texts[0]
    );
}
