//! Requests of one journey at the same time.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::service::{Folder, Service};
use crate::{errors, once, refused};

const STEPS: &str = r#"
[[journeys.steps]]
name = "page"
request = { method = "GET", path = "/page" }
extract = { id = "/id" }
[[journeys.steps]]
name = "parts"
parallel = [
  { name = "a", request = { method = "GET", path = "/a/{{id}}" }, extract = { a = "/id" } },
  { name = "b", steps = [
    { name = "b", request = { method = "GET", path = "/b" }, extract = { b = "/id" } },
    { name = "then", request = { method = "GET", path = "/b/{{b}}" } },
  ] },
  { name = "c", repeat = 2, request = { method = "GET", path = "/c/{{index}}" } },
]
[[journeys.steps]]
name = "end"
request = { method = "GET", path = "/end/{{a}}/{{b}}" }
"#;

#[test]
fn parallel_steps_are_under_way_at_once_and_give_what_they_found() {
    // `/a` is answered only after `/b/…` and `/c/1` have come: one after the other that would never be.
    let seen = Arc::new((Mutex::new(0), Condvar::new()));
    let service = Service::start_waiting(move |asked| {
        let (count, changed) = &*seen;
        match asked.path.as_str() {
            "/b//b" | "/c/1" => {
                *count.lock().unwrap() += 1;
                changed.notify_all();
            }
            "/a//page" => {
                let waited = changed.wait_timeout_while(
                    count.lock().unwrap(),
                    Duration::from_secs(20),
                    |count| *count < 2,
                );
                assert!(!waited.unwrap().1.timed_out(), "nothing else was sent");
            }
            _ => {}
        }
        (200, format!(r#"{{"id": "{}"}}"#, asked.path))
    });
    let folder = Folder::new();

    let ended = once(&folder, &service, "", STEPS);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let asked = service.asked();
    assert_eq!(asked.last().unwrap().path, "/end//a//page//b");
    assert_eq!(asked.len(), 7);
    let checked = folder.loadgen(&["check", "test.toml"]);
    assert!(
        checked.stdout.contains("requests each: 7"),
        "{}",
        checked.stdout
    );
    // The page that waited for its slowest part is what the customer waited for.
    let report = folder.report();
    let steps = report["steps"].as_array().unwrap();
    let names: Vec<&str> = steps.iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["page", "a", "b", "then", "c", "end"]);
}

#[test]
fn the_first_failure_in_the_files_order_decides_after_all_have_ended() {
    let service = Service::start(|asked| match asked.path.as_str() {
        "/a/x" => (500, "broken".into()),
        "/c/0" => (404, "gone".into()),
        _ => (200, r#"{"id": "x"}"#.into()),
    });
    let folder = Folder::new();

    let ended = once(&folder, &service, "", STEPS);

    assert_eq!(ended.code, 1, "{}", ended.stdout);
    let errors = errors(&folder);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].0, "status 500");
    assert_eq!(service.count("GET /b/x"), 1);
    assert_eq!(service.count("GET /end/x/x"), 0);
    let steps = folder.report()["steps"].clone();
    let failed = steps
        .as_array()
        .unwrap()
        .iter()
        .filter(|s| s["errors"] == 1);
    assert_eq!(
        failed.count(),
        2,
        "each request's error is counted: {steps}"
    );
}

#[test]
fn what_parallel_steps_can_not_know_of_each_other_is_refused() {
    let get = |name: &str, path: &str| {
        format!(
            "{{ request = {{ method = \"GET\", path = \"{path}\" }}, extract = {{ {name} = \"/id\" }} }}"
        )
    };
    let parallel = |steps: &[String], more: &str| {
        format!(
            "[[journeys.steps]]\nparallel = [{}]\n{more}\n",
            steps.join(", ")
        )
    };
    let folder = Folder::new();
    for (steps, more, says) in [
        (
            vec![get("a", "/"), get("b", "/{{a}}")],
            "",
            "unknown variable `a`",
        ),
        (
            vec![get("a", "/"), get("a", "/")],
            "",
            "two steps at the same time set `a`",
        ),
        (
            vec![get("a", "/")],
            "think = \"1s\"",
            "a step has one action",
        ),
    ] {
        refused(&folder, "", &parallel(&steps, more), &[says]);
    }
}
