//! What each operation means, for the table of routes. Must not know how a route is served.

use metrics_exposition::Format;
use ordershop_contract::dead_letters::DEAD_LETTERS_MAX;
use ordershop_contract::payload::{PAGE_ENTITIES_MAX, PAGE_ORDERS_MAX};
use ordershop_contract::topic::Topic;
use serde_json::{Map, Value, json};

use super::operation::{Operation, page, partition, positions};
use super::schemas::{name, reference};
use crate::event_page::PAGE_EVENTS_MAX;

const JSON: &str = "application/json";
const POSITION: &str = "^[0-9]+-[0-9]+$";
const VERSION_TAG: &str = "^\"[0-9]+\"$";
const HASH_TAG: &str = "^\"[0-9a-f]{16}\"$";

fn entity(topic: Topic) -> Value {
    reference(name(topic))
}

/// A command's answer says where its events stand.
fn positioned(operation: Operation) -> Operation {
    let schema = || json!({ "type": "string" });
    let about = "Where the command's events stand, for x-at-least at another gateway.";
    operation.tells(200, "x-position", about, schema())
}

/// `GET /order/{id}`.
pub(crate) fn read(topic: Topic) -> Operation {
    let found = json!({ "anyOf": [entity(topic), { "type": "null" }] });
    Operation::new(&format!("get_{topic}"), &format!("One {topic}, or null."))
        .of_one()
        .by_a_service()
        .result("The entity; null for an unknown id.", found)
        .tagged(
            VERSION_TAG,
            "The entity's version; absent for an unknown id.",
        )
}

/// `PUT /order/{id}`.
pub(crate) fn update(topic: Topic) -> Operation {
    let operation = Operation::new(
        &format!("update_{topic}"),
        &format!("Replaces one {topic}. The body may repeat the path's id as entity_id."),
    );
    let operation = operation
        .of_one()
        .by_a_service()
        .if_match()
        .replaces(entity(topic))
        .fails(&[404, 409])
        .result("It is changed.", json!({ "const": true }));
    positioned(operation)
}

/// `DELETE /order/{id}`.
pub(crate) fn delete(topic: Topic) -> Operation {
    let operation = Operation::new(&format!("delete_{topic}"), &format!("Deletes one {topic}."));
    let operation = operation
        .of_one()
        .by_a_service()
        .if_match()
        .fails(&[404, 409])
        .result("It is deleted.", json!({ "const": true }));
    positioned(operation)
}

/// `POST /order`.
pub(crate) fn create(topic: Topic) -> Operation {
    let operation = Operation::new(
        &format!("create_{topic}"),
        &format!("Creates one {topic} or several, all or none, before it answers."),
    );
    let ids = json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 });
    let operation = operation
        .by_a_service()
        .creates(entity(topic))
        .fails(&[409])
        .result("The ids, in the order of the body.", ids)
        .leads_to(&of_one(topic), "/result/0");
    positioned(operation)
}

/// The operations on one entity.
fn of_one(topic: Topic) -> [String; 3] {
    ["get", "update", "delete"].map(|verb| format!("{verb}_{topic}"))
}

/// `POST /orders`.
pub(crate) fn create_later(topic: Topic) -> Operation {
    let about = format!("Accepts the creation of one {topic} or several, and answers at once.");
    Operation::new(&format!("create_{topic}_later"), &about)
        .by_a_service()
        .creates(entity(topic))
        .result(
            "The message's id. An object's entity gets that id, an array's elements get it with -0, -1, ….",
            json!({ "type": "string" }),
        )
        .leads_to(&of_one(topic), "/result")
}

/// `GET /orders`.
pub(crate) fn list(topic: Topic) -> Operation {
    let plural = topic.plural();
    Operation::new(
        &format!("list_{plural}"),
        &format!("All {plural}, or a page of them."),
    )
    .by_a_service()
    .in_pages(PAGE_ENTITIES_MAX)
    .answers(200, "The entities.", JSON, page(entity(topic)))
}

/// `GET /orders/unbilled`, `/orders/unshipped`.
pub(crate) fn orders_without(what: &str) -> Operation {
    let id = if what == "billing" {
        "unbilled"
    } else {
        "unshipped"
    };
    let by_id = json!({ "type": "object", "additionalProperties": entity(Topic::Order) });
    Operation::new(
        &format!("list_{id}_orders"),
        &format!("The orders that have no {what}."),
    )
    .by_a_service()
    .result("The orders by id.", by_id)
}

/// `GET /orders/delivered`.
pub(crate) fn delivered_orders() -> Operation {
    Operation::new("list_delivered_orders", "The shippings that have arrived.")
        .by_a_service()
        .result("The shippings.", list_of(Topic::Shipping))
}

fn list_of(topic: Topic) -> Value {
    json!({ "type": "array", "items": entity(topic) })
}

/// `GET /mails/sent`.
pub(crate) fn mails() -> Operation {
    Operation::new("list_mails", "The mails that were sent, or a page of them.")
        .by_a_service()
        .in_pages(PAGE_ENTITIES_MAX)
        .answers(200, "The mails.", JSON, page(json!({ "type": "object" })))
}

fn by_id(operation: Operation, about: &str) -> Operation {
    let id = json!({ "type": "string", "minLength": 1 });
    operation.path("id", id, about).fails(&[404, 502, 503, 504])
}

/// `GET /requests/{id}`.
pub(crate) fn request() -> Operation {
    let operation = Operation::new(
        "get_request",
        "What became of a request that was accepted, for a day after it is done.",
    );
    by_id(operation, "The message's id, as it was answered.")
        .result("The request.", reference("AcceptedRequest"))
}

/// `GET /dead-letters`.
pub(crate) fn dead_letters() -> Operation {
    Operation::new(
        "list_dead_letters",
        "The messages and events that could not be handled.",
    )
    .query(
        "limit",
        json!({ "type": "integer", "minimum": 1, "maximum": DEAD_LETTERS_MAX }),
        "The most dead letters in the page.",
    )
    .query(
        "cursor",
        json!({ "type": "string", "pattern": "^[0-9]{1,9}$" }),
        "The cursor of the page before.",
    )
    .fails(&[502, 503, 504])
    .answers(
        200,
        "The dead letters.",
        JSON,
        page(reference("DeadLetter")),
    )
}

/// `GET /dead-letters/{id}`.
pub(crate) fn dead_letter() -> Operation {
    let operation = Operation::new("get_dead_letter", "One dead letter with its content.");
    by_id(operation, "The dead letter.").result("The dead letter.", reference("DeadLetter"))
}

/// `DELETE /dead-letters/{id}`.
pub(crate) fn drop_dead_letter() -> Operation {
    let operation = Operation::new("drop_dead_letter", "Deletes a dead letter.");
    by_id(operation, "The dead letter.").result("It is deleted.", json!({ "const": true }))
}

/// `POST /dead-letters/{id}/resend`.
pub(crate) fn resend_dead_letter() -> Operation {
    let operation = Operation::new("resend_dead_letter", "Has a dead letter handled again.");
    by_id(operation, "The dead letter.").result("It is sent again.", json!({ "const": true }))
}

/// `GET /report`.
pub(crate) fn report() -> Operation {
    let entities = Topic::ALL.into_iter().filter(|topic| *topic != Topic::Mail);
    let mut lists: Map<String, Value> = entities
        .map(|topic| (topic.plural().to_owned(), list_of(topic)))
        .collect();
    lists.insert("inventory".into(), list_of(Topic::Inventory));
    let mails = json!({ "type": "array", "items": { "type": "object" } });
    lists.insert("mails".into(), mails);
    let required: Vec<&String> = lists.keys().collect();
    let schema = json!({ "type": "object", "required": required, "properties": lists });
    Operation::new("report", "All entities and mails, streamed.")
        .by_a_service()
        .result(
            "The lists; inventory is inventories under its first name.",
            schema,
        )
}

/// `GET /report/orders`.
pub(crate) fn order_report() -> Operation {
    Operation::new(
        "report_orders",
        "Each order with its cart, customer, products, billings and shippings.",
    )
    .by_a_service()
    .in_pages(PAGE_ORDERS_MAX)
    .answers(
        200,
        "The joined orders.",
        JSON,
        page(json!({ "type": "object" })),
    )
}

/// `GET /events`.
pub(crate) fn feed() -> Operation {
    let topics = json!({ "type": "string", "pattern": topics() });
    Operation::new(
        "live_feed",
        "The live feed: a WebSocket that tells every event, and what the read model shows.",
    )
    .query("topics", topics, "The topics, with commas; all without it.")
    .query(
        "after",
        positions(),
        "Begin after these positions; without it from now on.",
    )
    .query(
        "sampled",
        json!({ "enum": ["true", "false"] }),
        "Tell only the events of sampled requests, from now on.",
    )
    .bare(101, "The connection is a WebSocket.")
    .fails(&[426, 503])
}

fn topics() -> String {
    let names = Topic::ALL.map(Topic::name).join("|");
    format!("^({names})(,({names}))*$")
}

/// `GET /events/{topic}`.
pub(crate) fn events() -> Operation {
    Operation::new(
        "list_events",
        "The recorded events of a partition of a topic, oldest first.",
    )
    .path(
        "topic",
        json!({ "type": "string", "pattern": format!("^{}$", partition()) }),
        "The partition: its topic's name, from the second one on with a dot and its number.",
    )
    .query(
        "after",
        json!({ "type": "string", "pattern": "^[0-9]{1,19}(-[0-9]{1,19})?$" }),
        "Begin after this position: the cursor of the page before.",
    )
    .query(
        "limit",
        json!({ "type": "integer", "minimum": 1, "maximum": PAGE_EVENTS_MAX }),
        "The most events in the page.",
    )
    .fails(&[404, 503])
    .answers(200, "The events.", JSON, {
        let mut page = page(reference("Event"));
        page["properties"]["cursor"] = json!({ "type": "string", "pattern": POSITION });
        page
    })
}

/// `GET /health`.
pub(crate) fn health() -> Operation {
    let state = || reference("Health");
    Operation::new("health", "Whether the system is ready, and what is wrong.")
        .answers(200, "It is ready.", JSON, state())
        .answers(503, "It is not ready; reasons says why.", JSON, state())
}

/// `GET /metrics`.
pub(crate) fn metrics() -> Operation {
    let text = json!({ "type": "string" });
    let kinds = ["coarse", "fine"];
    Operation::new(
        "metrics",
        "Every metric of the process, as Prometheus text, or as OpenMetrics if Accept prefers it.",
    )
    .query(
        "buckets",
        json!({ "type": "string", "enum": kinds, "default": "coarse" }),
        "How finely event lags are told: in steps of two, or of 15 %.",
    )
    .answers(200, "The metrics.", Format::Text.content_type(), text)
}

/// `GET /openapi.json`.
pub(crate) fn openapi() -> Operation {
    Operation::new("openapi", "This description.").answers(
        200,
        "OpenAPI 3.1.",
        JSON,
        json!({ "type": "object" }),
    )
}

/// A file of the page.
pub(crate) fn asset(path: &str, kind: &str) -> Operation {
    let file = path.rsplit('/').next().unwrap_or_default();
    let file = if file.is_empty() { "html" } else { file }.replace('.', "_");
    Operation::new(&format!("page_{file}"), "A file of the page.")
        .answers(200, "The file.", kind, json!({ "type": "string" }))
        .tagged(HASH_TAG, "The file's hash.")
}
