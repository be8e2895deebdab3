//! One operation's description: parameters, body, and every answer with its headers. Must not know any route.

use std::collections::BTreeMap;

use ordershop_contract::topic::Topic;
use serde_json::{Map, Value, json};

use super::schemas::reference;
use crate::answered_positions::AT_LEAST;
use crate::error::WEBSOCKET_VERSION;
use crate::etag::TAGS_MAX;
use crate::idempotency_key::{IDEMPOTENCY_KEY, KEY_CHARS_MAX};
use crate::paging::CURSOR_BYTES_MAX;
use crate::request::PATH_PARAM_BYTES_MAX;

const TAGS: &str = r#"^(W/)?"[!#-~]*"(, (W/)?"[!#-~]*")*$"#;

/// What an error status means on every route that may answer it.
const fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The path, a query parameter, a header or the body is wrong.",
        403 => "The request names a foreign host, or a foreign page would write or listen.",
        404 => "There is no such entity to change, or no such topic.",
        408 => "The body did not arrive in time.",
        409 => "The present state doesn't allow it.",
        412 => "The entity has another version than If-Match names.",
        413 => "The body is too long.",
        415 => "The body is compressed, or of a type that is clearly not JSON.",
        422 => "An id in a field names nothing, or the Idempotency-Key was used with another body.",
        426 => "The request asks for no WebSocket, or for another version of it.",
        500 => "The gateway or a service failed.",
        502 => "A service's reply can't be read.",
        503 => "Something is away, behind or overloaded.",
        504 => "No answer came in time; the outcome of a command is unknown.",
        _ => "An error.",
    }
}

/// One answer of an operation.
struct Answer {
    about: String,
    /// Media type and schema.
    content: Option<(String, Value)>,
    headers: Map<String, Value>,
    links: Map<String, Value>,
}

/// An operation's description.
pub(crate) struct Operation {
    id: String,
    summary: String,
    parameters: Vec<Value>,
    /// One entity's schema, and whether the body may also be an array of them.
    body: Option<(Value, bool)>,
    answers: BTreeMap<u16, Answer>,
}

impl Operation {
    /// An operation that can be refused as every request can.
    pub(super) fn new(id: &str, summary: &str) -> Self {
        let operation = Self {
            id: id.to_owned(),
            summary: summary.to_owned(),
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
        };
        operation.fails(&[400, 403, 500])
    }

    /// Adds the errors of an operation that a service carries out.
    pub(super) fn by_a_service(self) -> Self {
        self.header(
            AT_LEAST,
            positions(),
            "Answer no older state than this: what another gateway answered as x-position.",
        )
        .header(
            "traceparent",
            json!({ "type": "string" }),
            "W3C trace context: its trace id becomes the correlation id; with the sampled flag the answer has Server-Timing.",
        )
        .fails(&[502, 503, 504])
    }

    /// Adds error answers.
    pub(super) fn fails(mut self, statuses: &[u16]) -> Self {
        for status in statuses {
            let mut headers = Map::new();
            if *status == 503 {
                let schema = json!({ "type": "integer", "minimum": 1 });
                headers.insert("Retry-After".into(), told("Seconds to wait.", schema, true));
            }
            if *status == 426 {
                let schema = json!({ "const": "websocket" });
                headers.insert("Upgrade".into(), told("What to ask for.", schema, true));
                let schema = json!({ "const": WEBSOCKET_VERSION });
                let version = told("Its version.", schema, true);
                headers.insert("Sec-WebSocket-Version".into(), version);
            }
            let answer = Answer {
                about: meaning(*status).to_owned(),
                content: Some(("application/json".into(), reference("Error"))),
                headers,
                links: Map::new(),
            };
            self.answers.insert(*status, answer);
        }
        self
    }

    /// Adds an answer with a body.
    pub(super) fn answers(self, status: u16, about: &str, kind: &str, schema: Value) -> Self {
        self.with_answer(status, about, Some((kind.to_owned(), schema)))
    }

    /// Adds the answer 200 with `{"result": …}`.
    pub(super) fn result(self, about: &str, schema: Value) -> Self {
        self.answers(200, about, "application/json", result(schema))
    }

    /// Adds an answer without a body.
    pub(super) fn bare(self, status: u16, about: &str) -> Self {
        self.with_answer(status, about, None)
    }

    fn with_answer(mut self, status: u16, about: &str, content: Option<(String, Value)>) -> Self {
        let answer = Answer {
            about: about.to_owned(),
            content,
            headers: Map::new(),
            links: Map::new(),
        };
        self.answers.insert(status, answer);
        self
    }

    /// Adds a header to an answer that was added before.
    pub(super) fn tells(mut self, status: u16, name: &str, about: &str, schema: Value) -> Self {
        if let Some(answer) = self.answers.get_mut(&status) {
            answer
                .headers
                .insert(name.to_owned(), told(about, schema, false));
        }
        self
    }

    /// Says which operations take the id that the answer 200 has at `pointer`.
    pub(super) fn leads_to(mut self, operations: &[String], pointer: &str) -> Self {
        if let Some(answer) = self.answers.get_mut(&200) {
            for operation in operations {
                let id = format!("$response.body#{pointer}");
                let link = json!({ "operationId": operation, "parameters": { "id": id } });
                answer.links.insert(operation.clone(), link);
            }
        }
        self
    }

    /// Adds a query parameter.
    pub(super) fn query(self, name: &str, schema: Value, about: &str) -> Self {
        self.parameter("query", name, schema, about)
    }

    /// Adds a request header.
    pub(super) fn header(self, name: &str, schema: Value, about: &str) -> Self {
        self.parameter("header", name, schema, about)
    }

    /// Adds the parameter at the end of the path.
    pub(super) fn path(mut self, name: &str, schema: Value, about: &str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "path", "required": true, "schema": schema, "description": about,
        }));
        self
    }

    fn parameter(mut self, place: &str, name: &str, schema: Value, about: &str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": place, "schema": schema, "description": about,
        }));
        self
    }

    /// Adds an entity's id as the path's parameter.
    pub(super) fn of_one(self) -> Self {
        let schema = json!({ "type": "string", "minLength": 1, "maxLength": PATH_PARAM_BYTES_MAX });
        self.path("id", schema, "The entity's id.")
    }

    /// Adds a page's parameters.
    pub(super) fn in_pages(self, limit_max: usize) -> Self {
        self.query(
            "limit",
            json!({ "type": "integer", "minimum": 1, "maximum": limit_max }),
            "The most entities in a page. Without limit and cursor the whole list streams.",
        )
        .query(
            "cursor",
            json!({ "type": "string", "minLength": 1, "maxLength": CURSOR_BYTES_MAX }),
            "The cursor that came with the page before.",
        )
    }

    /// Adds the body of a creation: one entity, or an array of them; and its key.
    pub(super) fn creates(mut self, entity: Value) -> Self {
        self.body = Some((entity, true));
        self.header(
            IDEMPOTENCY_KEY,
            json!({ "type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX, "pattern": "^[!-~]+$" }),
            "The same request with the same key again makes nothing twice, and is answered as before.",
        )
        .fails(&[408, 413, 415, 422])
    }

    /// Adds the body of a change: one whole entity.
    pub(super) fn replaces(mut self, entity: Value) -> Self {
        self.body = Some((entity, false));
        self.fails(&[408, 413, 415, 422])
    }

    /// Adds `If-Match`.
    pub(super) fn if_match(self) -> Self {
        let about = format!(
            "Change the entity only if it has one of these versions: * or at most {TAGS_MAX} tags, as ETag told them."
        );
        self.header("If-Match", tags(), &about).fails(&[412])
    }

    /// Adds `If-None-Match` and its answer, and the `ETag`.
    pub(super) fn tagged(self, tag: &str, about: &str) -> Self {
        let schema = json!({ "type": "string", "pattern": tag });
        self.header(
            "If-None-Match",
            tags(),
            "Answer 304 if the client's version is the present one.",
        )
        .bare(304, "The client has the present version.")
        .tells(200, "ETag", about, schema.clone())
        .tells(304, "ETag", about, schema)
    }

    /// The operation in OpenAPI's form. `array_max`: the most entities in one body.
    pub(super) fn described(&self, array_max: usize) -> Value {
        let mut described = json!({
            "operationId": self.id,
            "summary": self.summary,
            "responses": self.answers.iter().map(|(status, answer)| {
                (status.to_string(), answer.described())
            }).collect::<Map<String, Value>>(),
        });
        if !self.parameters.is_empty() {
            described["parameters"] = json!(self.parameters);
        }
        if let Some((entity, many)) = &self.body {
            let several = json!({
                "type": "array", "items": entity, "minItems": 1, "maxItems": array_max,
            });
            let schema = if *many {
                json!({ "anyOf": [entity, several] })
            } else {
                entity.clone()
            };
            described["requestBody"] = json!({
                "required": true,
                "content": { "application/json": { "schema": schema } },
            });
        }
        described
    }
}

impl Answer {
    fn described(&self) -> Value {
        let mut headers = self.headers.clone();
        let id = json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" });
        headers.insert(
            "x-correlation-id".into(),
            told(
                "The id that all messages and events of the request carry.",
                id,
                true,
            ),
        );
        let mut described = json!({ "description": self.about, "headers": headers });
        if !self.links.is_empty() {
            described["links"] = Value::Object(self.links.clone());
        }
        if let Some((kind, schema)) = &self.content {
            let mut content = Map::new();
            content.insert(kind.clone(), json!({ "schema": schema }));
            described["content"] = Value::Object(content);
        }
        described
    }
}

fn told(about: &str, schema: Value, required: bool) -> Value {
    json!({ "description": about, "required": required, "schema": schema })
}

fn tags() -> Value {
    json!({
        "anyOf": [{ "const": "*" }, { "type": "string", "minLength": 2, "pattern": TAGS }],
        "examples": ["\"3\"", "*"],
    })
}

/// A partition's name.
pub(super) fn partition() -> String {
    let names = Topic::ALL.map(Topic::name).join("|");
    format!("({names})(\\.[1-9][0-9]?)?")
}

/// Positions of partitions, as a header or a parameter has them.
pub(super) fn positions() -> Value {
    let partition = partition();
    let one = format!("{partition}=[0-9]{{1,19}}(-[0-9]{{1,19}})?");
    json!({
        "type": "string", "minLength": 1, "pattern": format!("^{one}(,{one})*$"),
        "examples": ["order=1764288000123-0"],
    })
}

/// `{"result": …}`.
fn result(schema: Value) -> Value {
    json!({
        "type": "object",
        "required": ["result"],
        "properties": { "result": schema },
        "additionalProperties": false,
    })
}

/// A page, `{"result": […], "cursor": …}`; a whole list has no cursor.
pub(super) fn page(items: Value) -> Value {
    json!({
        "type": "object",
        "required": ["result"],
        "properties": {
            "result": { "type": "array", "items": items },
            "cursor": { "type": ["string", "null"], "description": "The next page's cursor." },
        },
        "additionalProperties": false,
    })
}
