//! `/openapi.json` against the gateway that serves it: every route is described, and every description leads to a route.

use std::collections::BTreeSet;

use hyper::Method;
use serde_json::Value;

use crate::fakes::{FakeQueue, FakeStore};
use crate::gate::{Gate, whole};
use crate::routes::{OTHERS, functions};

async fn document() -> (Gate, Value) {
    let queue = FakeQueue::replies(r#"{"result":[]}"#);
    let gate = Gate::open(queue, FakeStore::empty()).await;
    let answer = gate.get("/openapi.json").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = serde_json::from_str(&answer.text).unwrap();
    (gate, document)
}

/// Every method and path of the document, as they are in metrics.
fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, methods): (&String, &Value)| {
        let methods: Vec<String> = methods.as_object().unwrap().keys().cloned().collect();
        let path = path.clone();
        methods
            .into_iter()
            .map(move |method| (method.to_uppercase(), path.clone()))
    };
    paths.iter().flat_map(of_path).collect()
}

#[tokio::test]
async fn every_route_is_described_and_every_description_is_a_route() {
    let (gate, document) = document().await;
    assert_eq!(document["openapi"], "3.1.0");
    let described = operations(&document);
    let known = functions()
        .into_iter()
        .map(|(method, _, pattern, _)| (method.to_string(), pattern));
    let others = OTHERS
        .iter()
        .map(|(_, pattern, _)| ("GET".to_owned(), (*pattern).to_owned()));
    for route in known.chain(others) {
        assert!(described.contains(&route), "{route:?} is not described");
    }
    for (method, path) in described {
        let method: Method = method.parse().unwrap();
        let path = path.replace("{id}", "1").replace("{topic}", "order");
        let answer = gate.send(method.clone(), &path, whole("{}")).await.unwrap();
        // There is no such request or dead letter, but such a route.
        assert!(!answer.text.contains("no route"), "{method} {path}");
        assert_ne!(answer.status, 405, "{method} {path}");
        let options = gate.send(Method::OPTIONS, &path, whole("")).await.unwrap();
        let allowed = options.header("allow").unwrap();
        assert!(
            allowed.contains(method.as_str()),
            "{method} {path}: {allowed}"
        );
    }
}

#[tokio::test]
async fn what_a_route_allows_is_what_is_described_of_it() {
    let (gate, document) = document().await;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let options = gate.send(
            Method::OPTIONS,
            &path.replace("{id}", "1").replace("{topic}", "order"),
            whole(""),
        );
        let options = options.await.unwrap();
        let allowed: BTreeSet<&str> = options.header("allow").unwrap().split(", ").collect();
        let described: BTreeSet<String> = methods
            .as_object()
            .unwrap()
            .keys()
            .map(|method| method.to_uppercase())
            .collect();
        let implied = ["HEAD", "OPTIONS"];
        let allowed: BTreeSet<String> = allowed
            .into_iter()
            .filter(|method| !implied.contains(method))
            .map(str::to_owned)
            .collect();
        assert_eq!(allowed, described, "{path}");
    }
}

#[tokio::test]
async fn the_description_is_whole() {
    let (_, document) = document().await;
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let what = format!("{method} {path}");
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{what}: {id} is there twice");
            let answers = operation["responses"].as_object().unwrap();
            for status in ["400", "403", "500"] {
                assert!(answers.contains_key(status), "{what}: {status}");
            }
            let parameters = operation["parameters"].as_array();
            let named: Vec<&str> = parameters
                .into_iter()
                .flatten()
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let writes = method != "get";
            let of_entities = !["/dead-letters", "/requests"]
                .iter()
                .any(|other| path.starts_with(other));
            assert_eq!(
                named.contains(&"idempotency-key"),
                method == "post" && of_entities,
                "{what}"
            );
            assert_eq!(
                named.contains(&"If-Match"),
                writes && method != "post" && of_entities,
                "{what}"
            );
            let of_one = of_entities && path.ends_with("{id}");
            let tag = &operation["responses"]["200"]["headers"]["ETag"];
            assert!(writes || !of_one || tag.is_object(), "{what} has no ETag");
            if let Some(unavailable) = answers.get("503").filter(|_| path != "/health") {
                assert!(unavailable["headers"]["Retry-After"].is_object(), "{what}");
            }
        }
    }
    let mut references = Vec::new();
    referenced(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn referenced(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                found.push(reference.clone());
            }
            fields.values().for_each(|value| referenced(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| referenced(value, found)),
        _ => {}
    }
}
