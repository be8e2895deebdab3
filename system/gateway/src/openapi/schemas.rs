//! The JSON of entities, events and errors as schemas, with their limits. Must not know any route.

use ordershop_contract::topic::Topic;
use ordershop_contract::wire::limits::{AMOUNT_MAX, PIECES_MAX, TEXT_BYTES_MAX};
use serde_json::{Map, Value, json};

/// The name of an entity's schema.
pub(super) const fn name(topic: Topic) -> &'static str {
    match topic {
        Topic::Customer => "Customer",
        Topic::Product => "Product",
        Topic::Inventory => "Inventory",
        Topic::Cart => "Cart",
        Topic::Order => "Order",
        Topic::Billing => "Billing",
        Topic::Shipping => "Shipping",
        Topic::Mail => "Mail",
    }
}

/// A reference to a schema.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// All schemas by name.
pub(super) fn all() -> Value {
    let mut schemas = Map::new();
    for topic in Topic::ALL {
        schemas.insert(name(topic).to_owned(), entity(topic));
    }
    schemas.insert("Error".into(), error());
    schemas.insert("Event".into(), event());
    schemas.insert("AcceptedRequest".into(), accepted_request());
    schemas.insert("DeadLetter".into(), dead_letter());
    schemas.insert("Health".into(), health());
    Value::Object(schemas)
}

fn text(about: &str) -> Value {
    // The limit is one of bytes; a text of other letters than ASCII may have fewer characters.
    json!({ "type": "string", "maxLength": TEXT_BYTES_MAX, "description": about })
}

fn id_of(what: &str) -> Value {
    json!({ "type": "string", "description": format!("The id of {what}.") })
}

fn amount(about: &str) -> Value {
    let about = format!("{about} Written without a fraction.");
    json!({ "type": "integer", "minimum": 0, "maximum": AMOUNT_MAX, "description": about })
}

fn read_only(mut schema: Value) -> Value {
    schema["readOnly"] = json!(true);
    schema
}

/// An object of these properties and no others; those of `optional` may be left out.
fn object(properties: Vec<(&str, Value)>, optional: &[&str]) -> Value {
    let required: Vec<&str> = properties
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !optional.contains(name))
        .collect();
    let properties: Map<String, Value> = properties
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    json!({
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn entity(topic: Topic) -> Value {
    let own = |fields: Vec<(&'static str, Value)>, optional: &[&str]| {
        let id = (
            "entity_id",
            read_only(id_of("the entity; the system sets it")),
        );
        object([vec![id], fields].concat(), optional)
    };
    match topic {
        Topic::Customer => own(
            vec![
                (
                    "name",
                    text("The name by which mails address the customer."),
                ),
                ("email", text("The address that mails are sent to.")),
            ],
            &[],
        ),
        Topic::Product => own(
            vec![
                ("name", text("The product's name.")),
                ("price", amount("The price of one piece, in cents.")),
            ],
            &[],
        ),
        Topic::Inventory => own(
            vec![
                ("product_id", id_of("the product that is in stock")),
                ("amount", amount("The pieces that can still be reserved.")),
            ],
            &[],
        ),
        Topic::Cart => own(
            vec![
                ("customer_id", id_of("the customer who owns the cart")),
                (
                    "product_ids",
                    json!({
                        "type": "array", "items": { "type": "string" }, "maxItems": PIECES_MAX,
                        "description": "One entry a piece: a product that is wanted twice is listed twice; at most 1,000 different ones.",
                    }),
                ),
                (
                    "order_id",
                    read_only(id_of("its order, once it is ordered")),
                ),
            ],
            &["order_id"],
        ),
        Topic::Order => own(order_fields(), &["customer_id", "lines", "total"]),
        Topic::Billing => own(
            vec![
                ("order_id", id_of("the order that is paid for")),
                ("amount", amount("The amount, in cents: the order's total.")),
            ],
            &[],
        ),
        Topic::Shipping => own(
            vec![
                ("order_id", id_of("the order that is shipped")),
                (
                    "delivered",
                    json!({
                        "type": "number", "minimum": 0, "default": 0,
                        "description": "The Unix time of the delivery in seconds, fractions allowed; 0 until then.",
                    }),
                ),
            ],
            &["delivered"],
        ),
        Topic::Mail => object(
            vec![
                ("recipient", json!({ "type": "string" })),
                ("message", json!({ "type": "string" })),
            ],
            &[],
        ),
    }
}

fn order_fields() -> Vec<(&'static str, Value)> {
    let line = object(
        vec![
            ("product_id", id_of("the product")),
            ("quantity", amount("The pieces.")),
            (
                "price",
                amount("The price of one piece when it was ordered, in cents."),
            ),
        ],
        &[],
    );
    let statuses = [
        "CREATED",
        "IN_STOCK",
        "OUT_OF_STOCK",
        "CLEARED",
        "UNCLEARED",
        "SHIPPED",
        "DELIVERED",
    ];
    vec![
        ("cart_id", id_of("the cart that is bought")),
        (
            "status",
            read_only(json!({ "enum": statuses, "description": "The order's progress." })),
        ),
        (
            "customer_id",
            read_only(id_of("the customer who bought it")),
        ),
        (
            "lines",
            read_only(json!({ "type": "array", "items": line })),
        ),
        ("total", read_only(amount("What is to be paid, in cents."))),
    ]
}

fn error() -> Value {
    let what =
        json!({ "type": "string", "description": "What is wrong, and what would be right." });
    object(vec![("error", what)], &[])
}

fn accepted_request() -> Value {
    let states = ["pending", "done", "refused"];
    object(
        vec![
            ("id", id_of("the message")),
            (
                "state",
                json!({ "enum": states, "description": "What became of it." }),
            ),
            (
                "result",
                json!({ "description": "What the synchronous route would have answered." }),
            ),
            (
                "error",
                json!({ "type": "string", "description": "Why it was refused." }),
            ),
        ],
        &["result", "error"],
    )
}

fn dead_letter() -> Value {
    let text = |about: &str| json!({ "type": "string", "description": about });
    object(
        vec![
            ("id", text("Names it.")),
            ("reason", text("Why it could not be handled.")),
            (
                "at_ms",
                json!({ "type": "integer", "minimum": 0, "description": "When it became one, ms since the Unix epoch." }),
            ),
            ("content", text("The message or the event.")),
        ],
        &[],
    )
}

fn event() -> Value {
    let topics = Topic::ALL.map(Topic::name);
    let time = |about: &str| json!({ "type": "integer", "minimum": 0, "description": about });
    let text = || json!({ "type": "string" });
    object(
        vec![
            ("topic", json!({ "enum": topics })),
            (
                "partition",
                json!({
                    "type": "integer", "minimum": 1, "maximum": 63,
                    "description": "The number of the topic's partition; the first one is left out.",
                }),
            ),
            ("action", text()),
            ("aggregate_id", text()),
            ("version", json!({ "type": "integer", "minimum": 0 })),
            (
                "data",
                json!({ "description": "What the action carries, such as the entity." }),
            ),
            (
                "position",
                json!({ "type": "string", "pattern": "^[0-9]+-[0-9]+$" }),
            ),
            ("event_id", text()),
            (
                "published_at_us",
                time("When it was published, µs since the Unix epoch."),
            ),
            ("correlation_id", text()),
            ("causation_id", text()),
            (
                "received_at_us",
                time("Only of a sampled request: when its cause was received."),
            ),
            (
                "submitted_at_us",
                time("Only of a sampled request: when it went to the store."),
            ),
        ],
        &["partition", "received_at_us", "submitted_at_us"],
    )
}

fn health() -> Value {
    let truth = |about: &str| json!({ "type": "boolean", "description": about });
    let text = || json!({ "type": ["string", "null"] });
    let redis = object(
        vec![
            ("version", text()),
            ("server", text()),
            ("durability", text()),
        ],
        &[],
    );
    let read_model = object(
        vec![("caught_up", truth("Whether it shows every write."))],
        &[],
    );
    object(
        vec![
            ("live", truth("Whether the gateway runs.")),
            ("ready", truth("Whether requests will be carried out.")),
            ("version", text()),
            ("profile", text()),
            (
                "options",
                json!({
                    "type": ["object", "null"], "additionalProperties": true,
                    "description": "The options that the system was started with, by name.",
                }),
            ),
            ("redis", redis),
            ("read_model", read_model),
            (
                "reasons",
                json!({
                    "type": "array", "items": { "type": "string" },
                    "description": "What is wrong, in words; empty if it is ready.",
                }),
            ),
        ],
        &[],
    )
}
