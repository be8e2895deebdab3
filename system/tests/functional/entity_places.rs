//! Everywhere an entity must be named: docs/walkthrough.md lists the steps of a new one, and a test here fails for each that is left out.
//! What the compiler asks for by itself (a match over all topics) is not looked at again.

use std::path::Path;

use hyper::Method;
use ordershop::app::roles;
use ordershop_contract::queue_names;
use ordershop_contract::topic::Topic;
use serde_json::Value;

use crate::shop::Shop;

/// No entity has such a field: whoever reads the body refuses it by this name.
const BAD_ENTITY: &str = r#"{"no_such_field":1}"#;

/// The topics whose entities clients make: mails are only sent.
fn entities() -> impl Iterator<Item = Topic> {
    Topic::ALL.into_iter().filter(|topic| *topic != Topic::Mail)
}

/// A file of the repository.
fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_entity_has_its_queues_and_a_service_that_takes_from_them() {
    let unknown = "nonsense".parse::<Topic>().unwrap_err().to_string();
    for topic in Topic::ALL {
        assert!(
            unknown.contains(topic.name()),
            "UnknownTopic names {topic} too"
        );
    }
    for topic in entities() {
        let queues = [
            queue_names::create(topic),
            queue_names::update(topic),
            queue_names::delete(topic),
        ];
        for queue in queues {
            let queue = queue.unwrap_or_else(|| panic!("queue_names: no queue for {topic}"));
            assert!(
                roles::ROLES.iter().any(|role| role.name == queue.service),
                "roles::ROLES: nobody starts {}",
                queue.service
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_entity_is_reached_by_every_route() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    for topic in entities() {
        let (one, plural) = (format!("/{topic}"), format!("/{}", topic.plural()));
        let absent = format!("{one}/none");

        let page = http.get(&format!("{plural}?limit=1")).await;
        assert!(page.result().is_array(), "GET {plural}: {}", page.body);
        assert_eq!(*http.get(&absent).await.result(), Value::Null);
        for path in [&one, &plural] {
            let refused = http.raw(Method::POST, path, BAD_ENTITY).await;
            refused.refused(400, "no_such_field");
        }
        let refused = http.raw(Method::PUT, &absent, BAD_ENTITY).await;
        refused.refused(400, "no_such_field");
        http.delete(&absent).await.refused(404, topic.name());
        let events = http.get(&format!("/events/{topic}?limit=1")).await;
        assert_eq!(events.status, 200, "{}", events.body);
    }

    let report = http.get("/report").await;
    let page = http.get("/page/app.js").await;
    let unknown = http.get("/nonsense").await;
    let metrics = shop.metrics().await;
    for topic in entities() {
        let (name, plural) = (topic.name(), topic.plural());
        assert!(
            report.result()[plural].is_array(),
            "/report has no {plural}"
        );
        let row = format!(r#"{name}: "{plural}""#);
        assert!(
            page.body.as_str().unwrap().contains(&row),
            "the page doesn't know {row}"
        );
        unknown.refused(404, name);
        for pattern in [
            format!("/{name}/{{id}}"),
            format!("/{name}"),
            format!("/{plural}"),
        ] {
            assert!(
                metrics.contains(&format!(r#"route="{pattern}""#)),
                "no request was counted under {pattern}"
            );
        }
    }
    shop.close().await;
}

#[test]
fn every_entity_is_in_the_files_beside_the_program() {
    let lifecycle = file("scenarios/lifecycle.toml");
    let compose = file("compose.yaml");
    let reference = file("system/README.md");
    let original = file("system/original/proto/original/event_store.proto");
    let audit = file("loadgen/shop/src/audit/topic.rs");
    for topic in Topic::ALL {
        let (name, plural) = (topic.name(), topic.plural());
        assert!(
            original.contains(name),
            "the first OrderShop's contract: {name}"
        );
        for text in [name, plural] {
            let text = format!("\"{text}\"");
            assert!(audit.contains(&text), "the audit's topics: {text}");
        }
        let Some(queue) = queue_names::create(topic) else {
            continue;
        };
        let created = [format!("\"/{name}\""), format!("\"/{plural}\"")];
        assert!(
            created.iter().any(|path| lifecycle.contains(path)),
            "lifecycle.toml doesn't create a {name}"
        );
        for method in ["GET", "DELETE"] {
            let step = format!(r#"method = "{method}", path = "/{name}/"#);
            assert!(lifecycle.contains(&step), "lifecycle.toml has no {step}");
        }
        let command = format!("command: [{}]", queue.service);
        assert!(compose.contains(&command), "compose.yaml has no {command}");
        let row = format!("| `{name}` | `{plural}` |");
        assert!(
            reference.contains(&row),
            "system/README.md has no row {row}"
        );
    }
}
