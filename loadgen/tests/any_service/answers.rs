//! What is taken out of answers and checked in them.

use crate::service::{Answered, Folder, Service};
use crate::{errors, once, refused};

#[test]
fn variables_come_from_headers_patterns_and_json_paths() {
    let service = Service::answering(|asked| {
        match asked.path.as_str() {
        "/orders" => Answered::new(
            201,
            r#"{"items": [{"id": 1, "stock": 0}, {"id": 2, "stock": 5}, {"id": 3, "stock": 1}], "next": null}"#,
        )
        .header("Location", "https://shop.example/orders/o-17?x=1")
        .header("x-tag", "a")
        .header("x-tag", "b"),
        "/page" => Answered::new(
            200,
            "<input name=csrf value=\"s3\"><a href=/p/1><a href=/p/2>",
        ),
        _ => Answered::new(200, ""),
    }
    });
    let folder = Folder::new();
    let steps = r#"
[[journeys.steps]]
request = { method = "POST", path = "/orders", text = "x" }
expect = { status = 201 }
[journeys.steps.extract]
whole = { header = "LOCATION" }
order = { header = "location", regex = '/orders/([\w-]+)' }
tags = { header = "x-tag", all = true }
none = { header = "x-none", default = "-" }
first = "$.items[?@.stock > 0].id"
all = { json = "$.items[?@.stock > 0].id", all = true }
empty = { json = "$.items[?@.stock > 9].id", all = true, default = [] }
pointer = { json = "/items/2/id" }
last = { json = "/next", default = "" }
[[journeys.steps]]
request = { method = "GET", path = "/page" }
extract = { csrf = { regex = 'name=csrf value="(\w+)"' }, links = { regex = 'href=(/p/\d+)', all = true }, word = { regex = '<\w+' } }
[[journeys.steps]]
request = { method = "GET", path = "/done", query = { all = "{{all|json}}{{last}}", csrf = "{{csrf}}", empty = "{{empty|length}}", first = "{{first}}", links = "{{links|join:,}}", none = "{{none}}", order = "{{order}}", pointer = "{{pointer}}", tags = "{{tags|join:,}}", whole = "{{whole}}", word = "{{word}}" } }
"#;

    let ended = once(&folder, &service, "", steps);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(
        service.asked()[2].path,
        "/done?all=%5B2%2C3%5D&csrf=s3&empty=0&first=2&links=%2Fp%2F1%2C%2Fp%2F2&none=-&order=o-17&pointer=3&tags=a%2Cb\
         &whole=https%3A%2F%2Fshop.example%2Forders%2Fo-17%3Fx%3D1&word=%3Cinput"
    );
}

#[test]
fn json_behind_a_byte_order_mark_and_with_half_a_character_is_checked_and_taken_out() {
    let service = Service::answering(|_| {
        let json = r#"{"id": 7, "titles": ["cut \ud83d"]}"#;
        Answered::new(200, ["\u{feff}", json].concat())
    });
    let steps = r#"
[[journeys.steps]]
request = { method = "GET", path = "/book" }
expect = { equal = { "/id" = 7 }, exist = ["/titles/0"] }
extract = { title = "/titles/0", same = "$.titles[0]" }
[[journeys.steps]]
request = { method = "GET", path = "/next", query = { title = "{{title}}", same = "{{same}}" } }
"#;
    let ended = once(&Folder::new(), &service, "", steps);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(
        service.asked()[1].path,
        "/next?same=cut%20%EF%BF%BD&title=cut%20%EF%BF%BD"
    );
}

#[test]
fn numbers_of_answers_and_feeders_are_sent_as_they_are_written() {
    let deep = ["[".repeat(200), "]".repeat(200)].concat();
    let answer = format!(
        r#"{{"id": 12345678901234567890123, "price": 1.10, "list": [1e5, -0], "far": 1e400, "deep": {deep}}}"#
    );
    let service = Service::start(move |_| (200, answer.clone()));
    let folder = Folder::new().with("n.jsonl", "{\"n\": 18446744073709551616}\n");
    let feeder = "[[feeders]]\nname = \"f\"\njsonl = \"n.jsonl\"\npick = \"sequential\"\n";
    let steps = r#"
[[journeys.steps]]
request = { method = "GET", path = "/" }
expect = { equal = { "/price" = 1.1, "/list/0" = 100000 } }
extract = { id = "/id", list = "/list", cheap = "$[?@ < 2]" }
[[journeys.steps]]
if = "{{cheap}} < 1.2"
request = { method = "POST", path = "/{{id}}/{{f.n}}", body = { id = "{{id}}", list = "{{list}}", cheap = "{{cheap}}", text = "no {{f.n}}" } }
[[journeys.steps]]
request = { method = "POST", path = "/{{none|default:2.50}}", body = '{"n": 12345678901234567890123, "list": [1.10]}' }
"#;
    let ended = once(&folder, &service, feeder, steps);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let sent = &service.asked()[1];
    assert_eq!(sent.path, "/12345678901234567890123/18446744073709551616");
    assert_eq!(
        sent.body,
        r#"{"cheap":1.10,"id":12345678901234567890123,"list":[1e5,-0],"text":"no 18446744073709551616"}"#
    );
    let own = &service.asked()[2];
    assert_eq!(own.path, "/2.50");
    assert_eq!(own.body, r#"{"list":[1.10],"n":12345678901234567890123}"#);
}

#[test]
fn an_error_tells_its_request_and_a_redirect_that_is_not_followed_where_it_leads() {
    let service = Service::answering(|asked| match asked.path.as_str() {
        "/list" => Answered::new(200, r#"{"id": 17}"#),
        "/nowhere" => Answered::new(302, "moved"),
        "/elsewhere" => Answered::new(302, "moved").header("location", "ftp://shop.example/a"),
        _ => Answered::new(404, "no such thing"),
    });
    let list = "[[journeys.steps]]\nrequest = { method = \"GET\", path = \"/list\" }\nextract = { id = \"/id\" }\n";
    for (path, kind, example) in [
        (
            "/things/{{id}}",
            "status 404",
            "GET /things/17: no such thing",
        ),
        (
            "/nowhere",
            "status 302",
            "GET /nowhere: without a location: moved",
        ),
        (
            "/elsewhere",
            "status 302",
            "GET /elsewhere: not followed to ftp://shop.example/a: moved",
        ),
    ] {
        let step = format!(
            "{list}[[journeys.steps]]\nrequest = {{ method = \"GET\", path = \"{path}\" }}\n"
        );
        let folder = Folder::new();
        once(&folder, &service, "", &step);
        let (kind, examples) = (kind.to_owned(), format!("[\"{example}\"]"));
        assert_eq!(errors(&folder), [(kind, examples)]);
    }
}

#[test]
fn a_value_that_is_not_there_is_an_error_that_says_where_it_was_looked_for() {
    let service = Service::start(|_| (200, "{\"a\": 1}".into()));
    for (place, kind) in [
        ("{ header = \"x-id\" }", "nothing to extract at header x-id"),
        ("{ regex = 'id=(\\d+)' }", "nothing to extract at id=(\\d+)"),
        ("\"$.b\"", "nothing to extract at $"),
        ("{ json = \"$.b\", all = true }", "nothing to extract at $"),
    ] {
        let folder = Folder::new();
        let steps = format!(
            "[[journeys.steps]]\nname = \"get\"\nrequest = {{ method = \"GET\", path = \"/\" }}\nextract = {{ v = {place} }}\n"
        );
        let ended = once(&folder, &service, "", &steps);
        assert_eq!(ended.code, 1, "{place}: {}{}", ended.stdout, ended.stderr);
        let errors = errors(&folder);
        assert!(errors[0].0.starts_with(kind), "{place}: {errors:?}");
    }
}

#[test]
fn headers_sizes_texts_and_times_are_checked() {
    let service = Service::answering(|_| {
        Answered::new(200, "hello world")
            .header("content-type", "text/html; charset=utf-8")
            .header("x-cache", "HIT")
    });
    let all_well = r#"
[[journeys.steps]]
request = { method = "GET", path = "/" }
[journeys.steps.expect]
match = '^hello \w+$'
bytes_min = 11
bytes_max = 11
response_time_max = "60s"
headers = { Content-Type = { contain = "text/html" }, x-cache = "{{hit}}", x-none = false, content-length = true, date = { match = '\d\d:' } }
"#;
    let folder = Folder::new();
    let ended = once(&folder, &service, "[parameters]\nhit = \"HIT\"\n", all_well);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);

    for (check, kind, example) in [
        (
            "headers = { x-cache = \"MISS\" }",
            "header x-cache",
            "expected MISS, found HIT",
        ),
        (
            "headers = { x-none = true }",
            "header x-none",
            "no such header",
        ),
        (
            "headers = { x-cache = false }",
            "header x-cache",
            "found HIT",
        ),
        (
            "headers = { content-type = { match = 'json$' } }",
            "header content-type",
            "json$",
        ),
        ("bytes_max = 10", "body length", "found 11"),
        ("bytes_min = 12", "body length", "12 to any"),
        ("match = 'bye'", "missing text", "hello world"),
        (
            "response_time_max = \"1us\"",
            "response time over",
            "it was",
        ),
    ] {
        let folder = Folder::new();
        let steps = format!(
            "[[journeys.steps]]\nname = \"get\"\nrequest = {{ method = \"GET\", path = \"/\" }}\nexpect = {{ {check} }}\n"
        );
        let ended = once(&folder, &service, "", &steps);
        assert_eq!(ended.code, 1, "{check}: {}{}", ended.stdout, ended.stderr);
        let errors = errors(&folder);
        assert!(errors[0].0.starts_with(kind), "{check}: {errors:?}");
        assert!(errors[0].1.contains(example), "{check}: {errors:?}");
    }
}

#[test]
fn a_place_or_a_check_that_can_not_be_is_refused() {
    let folder = Folder::new();
    let step = |more: &str| {
        format!("[[journeys.steps]]\nrequest = {{ method = \"GET\", path = \"/\" }}\n{more}\n")
    };
    for (wrong, says) in [
        (
            "extract = { v = \"state\" }",
            vec!["neither a JSON pointer nor a JSON path", "$.items"],
        ),
        ("extract = { v = \"$.items[\" }", vec!["not a JSON path"]),
        (
            "extract = { v = { regex = '(' } }",
            vec!["not a regular expression"],
        ),
        ("extract = { v = {} }", vec!["`v` needs one place"]),
        (
            "extract = { v = { header = \"a\", json = \"/b\" } }",
            vec!["needs one place"],
        ),
        ("extract = { v = { haeder = \"a\" } }", vec!["haeder"]),
        (
            "expect = { headers = { a = 1 } }",
            vec!["no check of a header"],
        ),
        (
            "expect = { headers = { a = { contain = \"b\", match = \"c\" } } }",
            vec!["one of `contain`, `match`"],
        ),
        (
            "expect = { bytes_min = 2, bytes_max = 1 }",
            vec!["2 bytes or more and 1 or less"],
        ),
    ] {
        refused(&folder, "", &step(wrong), &says);
    }
}
