//! The gallery: each scenario as `loadgen new --from` copies it, against a small server of its kind.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::journeys::ROOM;
use crate::service::{Answered, Asked, Folder, Service};

/// Copies a scenario of the gallery and runs it for a second, with room for a busy machine.
fn passes(name: &str, service: &Service) -> Value {
    let folder = Folder::new();
    let copied = folder.loadgen(&["new", "mine", "--from", name]);
    assert_eq!(copied.code, 0, "{}", copied.stderr);
    let path = folder.0.path().join("mine.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("name = \"mine\"") && !text.contains("Gallery"),
        "{text}"
    );
    let checked = folder.loadgen(&["check", "mine.toml"]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    assert!(!checked.stdout.contains("warning"), "{}", checked.stdout);
    let first = match text.contains("[[workloads]]") {
        true => "[[workloads]]",
        false => "[workload]",
    };
    let text = text
        .replace("[limits]\n", "")
        .replace("request_timeout", "# request_timeout")
        .replacen(first, &format!("{ROOM}{first}"), 1)
        .replace("warm_up = ", "# warm_up = ");
    std::fs::write(&path, patient(&text)).unwrap();

    let ended = folder.run("mine.toml", service, &["--duration", "1s"]);

    assert_eq!(ended.code, 0, "{name}: {}{}", ended.stdout, ended.stderr);
    folder.report()
}

/// The text with bounds of time that a busy machine keeps.
fn patient(text: &str) -> String {
    let bounds = ["< 500ms", "< 1s", "< 2s"].iter();
    let text = bounds.fold(text.to_owned(), |text, bound| text.replace(bound, "< 60s"));
    text.replace("response_time_max = \"2s\"", "response_time_max = \"60s\"")
}

fn json_answer(status: u16, value: &Value) -> Answered {
    Answered::new(status, value.to_string()).header("content-type", "application/json")
}

#[test]
fn login_token() {
    let service = Service::answering(|asked| {
        let user = asked
            .headers
            .get("authorization")
            .and_then(|a| a.strip_prefix("Bearer token-of-"));
        match (asked.line().as_str(), user) {
            ("POST /login", _) => {
                let user = asked
                    .body
                    .split('&')
                    .find_map(|field| field.strip_prefix("user="));
                json_answer(
                    200,
                    &json!({ "access_token": format!("token-of-{}", user.unwrap()) }),
                )
            }
            (_, None) => Answered::new(401, "who are you?"),
            ("GET /me", Some(user)) => json_answer(200, &json!({ "name": user })),
            ("POST /logout", _) => Answered::new(204, ""),
            _ => json_answer(200, &json!([])),
        }
    });
    let report = passes("login-token", &service);
    let completed = report["journeys"]["completed"].as_u64().unwrap() as usize;
    assert_eq!(completed, service.count("POST /login"));
    assert_eq!(completed, service.count("POST /logout"));
    assert_eq!(service.asked().len(), 5 * completed);
}

#[test]
fn polling_job() {
    let (jobs, polls) = (AtomicU64::new(0), Mutex::new(HashMap::<String, u32>::new()));
    let service = Service::answering(move |asked| match asked.line().as_str() {
        "POST /jobs" => {
            let job = jobs.fetch_add(1, Ordering::Relaxed);
            Answered::new(202, "").header("location", format!("http://jobs.example/jobs/j-{job}"))
        }
        line if line.ends_with("/result") => Answered::new(200, "a picture"),
        line => {
            let mut polls = polls.lock().unwrap();
            let polled = polls.entry(line.to_owned()).or_default();
            *polled += 1;
            let state = if *polled < 2 { "RUNNING" } else { "DONE" };
            json_answer(200, &json!({ "state": state }))
        }
    });
    let report = passes("polling-job", &service);
    let completed = report["journeys"]["completed"].as_u64().unwrap() as usize;
    let results = service
        .asked()
        .iter()
        .filter(|a| a.path.ends_with("/result"))
        .count();
    assert_eq!((results, service.asked().len()), (completed, 4 * completed));
}

#[test]
fn graphql() {
    let service = Service::answering(|asked| {
        let said: Value = serde_json::from_str(&asked.body).unwrap();
        let variables = &said["variables"];
        match said["operationName"].as_str() {
            Some("Search") if variables["text"] == "table" => json_answer(
                200,
                &json!({ "data": { "products": [{ "id": "p9", "stock": 0 }] } }),
            ),
            Some("Search") => {
                let products = json!([{ "id": "p1", "stock": 0 }, { "id": "p2", "stock": 3 }]);
                json_answer(200, &json!({ "data": { "products": products } }))
            }
            Some("Add") if variables["id"] == "p2" => {
                json_answer(200, &json!({ "data": { "addToCart": { "lines": 1 } } }))
            }
            _ => json_answer(200, &json!({ "errors": [{ "message": "no" }] })),
        }
    });
    let report = passes("graphql", &service);
    let journeys = &report["journeys"];
    assert_eq!(journeys["failed"], 0);
    let (completed, skipped) = (
        journeys["completed"].as_u64().unwrap(),
        journeys["skipped"].as_u64(),
    );
    let asked = service.asked().len() as u64;
    assert_eq!(
        asked,
        2 * completed + skipped.unwrap_or_default(),
        "{journeys}"
    );
}

#[test]
fn webhook() {
    let service = Service::answering(|asked| {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"a secret that both sides know").unwrap();
        mac.update(&asked.bytes);
        let digest = mac.finalize().into_bytes();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        match asked.headers["x-signature"] == format!("sha256={hex}") {
            true => Answered::new(202, ""),
            false => Answered::new(401, "a forgery"),
        }
    });
    let report = passes("webhook", &service);
    assert_eq!(report["journeys"]["failed"], 0);
}

#[test]
fn file_upload() {
    let picture = Mutex::new(Vec::new());
    let service = Service::answering(move |asked: &Asked| match asked.method.as_str() {
        "POST" => {
            assert_eq!(
                asked.body.matches("form-data; name=").count(),
                3,
                "{}",
                asked.body
            );
            let place = |part: &[u8]| asked.bytes.windows(part.len()).position(|w| w == part);
            let (from, to) = (place(b"\x89PNG").unwrap(), place(b"IEND").unwrap() + 8);
            *picture.lock().unwrap() = asked.bytes[from..to].to_vec();
            Answered::new(201, "").header("location", "/files/1")
        }
        "GET" => {
            Answered::new(200, picture.lock().unwrap().clone()).header("content-type", "image/png")
        }
        _ => Answered::new(204, ""),
    });
    let report = passes("file-upload", &service);
    let completed = report["journeys"]["completed"].as_u64().unwrap() as usize;
    assert_eq!(completed, service.count("DELETE /files/1"));
}

#[test]
fn paginated_crawl() {
    let service = Service::answering(|asked| {
        let list = asked.path.strip_prefix("/items?limit=20");
        let Some(list) = list else {
            let id: u64 = asked.path["/items/".len()..].parse().unwrap();
            return json_answer(200, &json!({ "id": id }));
        };
        let after: u64 = list
            .strip_prefix("&after=")
            .map_or(0, |n| n.parse().unwrap());
        let items: Vec<Value> = (after..after + 2).map(|id| json!({ "id": id })).collect();
        let answer = json_answer(200, &json!({ "items": items }));
        match after {
            4 => answer.header("link", "</items?limit=20>; rel=\"first\""),
            _ => {
                let next = after + 2;
                let next =
                    format!("<http://items.example/items?limit=20&after={next}>; rel=\"next\"");
                answer.header("link", next)
            }
        }
    });
    let report = passes("paginated-crawl", &service);
    let completed = report["journeys"]["completed"].as_u64().unwrap() as usize;
    // Three pages of two items each.
    assert_eq!(service.asked().len(), 9 * completed);
    assert_eq!(service.count("GET /items/5"), completed);
}

#[test]
fn reads_and_writes() {
    let service = Service::answering(|asked| match asked.method.as_str() {
        "GET" => json_answer(200, &json!({ "title": "a title" })).header("etag", "\"7\""),
        _ => match asked.headers["if-match"].as_str() {
            "\"7\"" => Answered::new(204, ""),
            _ => Answered::new(412, ""),
        },
    });
    let report = passes("reads-and-writes", &service);
    let completed = |name: &str| {
        let workloads = report["workloads"].as_array().unwrap().iter();
        let mut found = workloads.filter(|w| w["name"] == name);
        found.next().unwrap()["journeys"]["completed"]
            .as_u64()
            .unwrap() as usize
    };
    let saved = service.asked().iter().filter(|a| a.method == "PUT").count();
    assert_eq!(saved, completed("editors"));
    let reads = service.asked().len() - 2 * saved;
    assert_eq!(reads, completed("visitors") + completed("crawler"));
    assert_eq!(completed("crawler"), 5);
}

#[test]
fn the_gallery_is_listed_and_only_what_is_there_is_copied() {
    let folder = Folder::new();
    let listed = folder.loadgen(&["list"]).stdout;
    for name in [
        "file-upload",
        "graphql",
        "login-token",
        "paginated-crawl",
        "polling-job",
        "reads-and-writes",
        "webhook",
    ] {
        assert!(
            listed.lines().any(|line| line.starts_with(name)),
            "{name}: {listed}"
        );
    }
    let ended = folder.loadgen(&["new", "--from", "no-such"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("--from no-such"), "{}", ended.stderr);
}
