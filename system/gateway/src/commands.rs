//! Commands: POST, PUT and DELETE become messages to the entity's service. Must not know any rule about entities.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;

use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::{OutgoingMessage, QueueName};
use ordershop_contract::payload::{self, Terms};
use ordershop_contract::position::Positions;
use ordershop_contract::queue_names;
use ordershop_contract::topic::Topic;

use super::error::{HttpError, json};
use super::etag;
use super::idempotency_key::{self, idempotency_key};
use super::json_body;
use super::request::GatewayRequest;
use super::service_reply::{self, ServiceReply};
use super::state::{GatewayState, request_correlation};
use super::trace::Trace;

/// The response header with the positions of the command's events.
const POSITION: &str = "x-position";

/// `POST /order`: creates one or several entities and answers with their ids.
pub(super) async fn create(topic: Topic, request: GatewayRequest) -> Result<Response, HttpError> {
    request.query_string(&[])?;
    // The command's handler must see every write that this gateway has already answered.
    let at_least = request.at_least(&Topic::ALL).await?;
    let key = idempotency_key(request.http.headers())?.map(str::to_owned);
    let GatewayRequest { state, trace, http } = request;
    let text = json_body::read(http, &state.config).await?;
    let body = json_body::command_body(&text, state.config.entities_per_array_max)?;
    let to = queue(queue_names::create(topic))?;
    let command = Command {
        to,
        message_id: creation_id(&state, to, key.as_deref(), body.json),
        entities: body.entities.len(),
        payload: creation(body.json, &at_least, key.as_deref()),
    };
    call(&state, command, &trace).await
}

/// `POST /orders`: queues the creation and answers with the message's id at once.
pub(super) async fn create_later(
    topic: Topic,
    request: GatewayRequest,
) -> Result<Response, HttpError> {
    request.query_string(&[])?;
    // The command's handler must see every write that this gateway has already answered.
    let at_least = request.at_least(&Topic::ALL).await?;
    let key = idempotency_key(request.http.headers())?.map(str::to_owned);
    let GatewayRequest { state, trace, http } = request;
    let text = json_body::read(http, &state.config).await?;
    let body = json_body::command_body(&text, state.config.entities_per_array_max)?;
    for (n, entity) in body.entities.iter().enumerate() {
        (state.config.check_entity)(topic, entity).map_err(|why| {
            HttpError::bad_request(if body.is_array {
                format!("element {n} of the array: {why}")
            } else {
                why
            })
        })?;
    }
    let to = queue(queue_names::create(topic))?;
    let message_id = creation_id(&state, to, key.as_deref(), body.json);
    let message = OutgoingMessage {
        to,
        message_id: message_id.clone(),
        payload: creation(body.json, &at_least, key.as_deref()),
        correlation: request_correlation(&trace),
    };
    state.queue.submit(message).await?;
    Failpoint::RequestSent.pass();
    Ok(json(
        StatusCode::OK,
        service_reply::body(&format!("\"{message_id}\"")),
    ))
}

/// A creation's payload.
fn creation(params: &RawValue, at_least: &Positions, key: Option<&str>) -> Box<RawValue> {
    let terms = Terms {
        key,
        ..Terms::default()
    };
    payload::command(params, at_least, terms)
}

/// A creation's message id: that of the same request before, if it has a key.
fn creation_id(state: &GatewayState, to: QueueName, key: Option<&str>, body: &RawValue) -> String {
    key.map_or_else(
        || state.ids.message_id(),
        |key| idempotency_key::message_id(to, key, body.get()),
    )
}

/// `PUT /order/{id}`: replaces an entity by the one in the body.
pub(super) async fn update(topic: Topic, request: GatewayRequest) -> Result<Response, HttpError> {
    let id = request.path_param()?;
    request.query_string(&[])?;
    // The command's handler must see every write that this gateway has already answered.
    let at_least = request.at_least(&Topic::ALL).await?;
    let if_match = etag::if_match(request.http.headers())?;
    let GatewayRequest { state, trace, http } = request;
    let text = json_body::read(http, &state.config).await?;
    let entity = json_body::with_entity_id(&text, &id)?;
    let to = queue(queue_names::update(topic))?;
    let payload = change(entity, &at_least, if_match.as_deref());
    call(&state, Command::on_one(&state, to, payload), &trace).await
}

/// `DELETE /order/{id}`: deletes an entity.
pub(super) async fn delete(topic: Topic, request: GatewayRequest) -> Result<Response, HttpError> {
    let id = request.path_param()?;
    request.query_string(&[])?;
    let at_least = request.at_least(&Topic::ALL).await?;
    let if_match = etag::if_match(request.http.headers())?;
    let to = queue(queue_names::delete(topic))?;
    let params = payload::DeleteParams { entity_id: &id };
    let payload = change(params, &at_least, if_match.as_deref());
    let command = Command::on_one(&request.state, to, payload);
    call(&request.state, command, &request.trace).await
}

/// The payload of a change of one entity.
fn change(params: impl Serialize, at_least: &Positions, if_match: Option<&[u64]>) -> Box<RawValue> {
    let terms = Terms {
        if_match,
        ..Terms::default()
    };
    payload::command(params, at_least, terms)
}

/// The queue, or 404 if the topic has none. No route leads here with such a topic.
fn queue(name: Option<QueueName>) -> Result<QueueName, HttpError> {
    name.ok_or_else(|| HttpError::not_found("no service takes this command"))
}

/// A command whose reply is awaited.
struct Command {
    to: QueueName,
    message_id: String,
    /// The entities that it creates or changes, at least 1.
    entities: usize,
    payload: Box<RawValue>,
}

impl Command {
    fn on_one(state: &GatewayState, to: QueueName, payload: Box<RawValue>) -> Self {
        Self {
            to,
            message_id: state.ids.message_id(),
            entities: 1,
            payload,
        }
    }
}

async fn call(
    state: &GatewayState,
    command: Command,
    trace: &Trace,
) -> Result<Response, HttpError> {
    let config = &state.config;
    let timeout_ms =
        config.call_timeout_ms + config.call_timeout_ms_per_entity * (command.entities as u64 - 1);
    let timeout = Duration::from_millis(timeout_ms);
    let under_way = state.progress.begin();
    let reply = state
        .call(
            command.to,
            command.payload,
            command.message_id,
            trace,
            timeout,
        )
        .await?;
    under_way.answered();
    Failpoint::RequestCarriedOut.pass();
    let reply = ServiceReply::parse(&reply)?;
    reply.record_times(trace);
    // A refusal may carry the position of the conflicting event: the next read must see that event.
    if let Some(positions) = &reply.positions {
        state.answered.raise(positions);
    }
    let answered = reply.result().map(service_reply::body);
    let mut response = match answered {
        Ok(body) => json(StatusCode::OK, body),
        Err(error) => error.into_response(),
    };
    if let Some(positions) = reply.positions.filter(|positions| !positions.is_empty()) {
        let value = HeaderValue::try_from(positions.to_string())
            .expect("topics and numbers are plain text");
        response.headers_mut().insert(POSITION, value);
    }
    Ok(response)
}
