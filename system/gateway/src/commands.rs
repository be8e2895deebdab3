//! Commands: POST, PUT and DELETE become messages to the entity's service. Must not know any rule about entities.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::value::RawValue;

use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::{OutgoingMessage, QueueName};
use ordershop_contract::queue_names;
use ordershop_contract::topic::Topic;

use super::error::{HttpError, json};
use super::json_body;
use super::request::GatewayRequest;
use super::service_reply::{self, ServiceReply};
use super::state::{GatewayState, request_correlation};
use super::trace::Trace;
use ordershop_contract::payload;

/// The response header with the positions of the command's events.
const POSITION: &str = "x-position";

/// `POST /order`: creates one or several entities and answers with their ids.
pub(super) async fn create(topic: Topic, request: GatewayRequest) -> Result<Response, HttpError> {
    request.query_string(&[])?;
    // The command's handler must see every write that this gateway has already answered.
    let at_least = request.at_least(&Topic::ALL)?;
    let GatewayRequest { state, trace, http } = request;
    let text = json_body::read(http, &state.config).await?;
    let body = json_body::command_body(&text, state.config.entities_per_array_max)?;
    let to = queue(queue_names::create(topic))?;
    let entities = body.entities.len();
    let payload = payload::message(body.json, &at_least);
    command(&state, to, payload, entities, &trace).await
}

/// `POST /orders`: queues the creation and answers with the message's id at once.
pub(super) async fn create_later(
    topic: Topic,
    request: GatewayRequest,
) -> Result<Response, HttpError> {
    request.query_string(&[])?;
    // The command's handler must see every write that this gateway has already answered.
    let at_least = request.at_least(&Topic::ALL)?;
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
    let message_id = state.ids.message_id();
    let message = OutgoingMessage {
        to: queue(queue_names::create(topic))?,
        message_id: message_id.clone(),
        payload: payload::message(body.json, &at_least),
        correlation: request_correlation(&trace),
    };
    state.queue.send(vec![message]).await?;
    Failpoint::RequestSent.pass();
    Ok(json(
        StatusCode::OK,
        service_reply::body(&format!("\"{message_id}\"")),
    ))
}

/// `PUT /order/{id}`: replaces an entity by the one in the body.
pub(super) async fn update(topic: Topic, request: GatewayRequest) -> Result<Response, HttpError> {
    let id = request.path_param()?;
    request.query_string(&[])?;
    // The command's handler must see every write that this gateway has already answered.
    let at_least = request.at_least(&Topic::ALL)?;
    let GatewayRequest { state, trace, http } = request;
    let text = json_body::read(http, &state.config).await?;
    let entity = json_body::with_entity_id(&text, &id)?;
    let to = queue(queue_names::update(topic))?;
    command(&state, to, payload::message(entity, &at_least), 1, &trace).await
}

/// `DELETE /order/{id}`: deletes an entity.
pub(super) async fn delete(topic: Topic, request: GatewayRequest) -> Result<Response, HttpError> {
    let id = request.path_param()?;
    request.query_string(&[])?;
    let at_least = request.at_least(&Topic::ALL)?;
    let to = queue(queue_names::delete(topic))?;
    let params = payload::DeleteParams { entity_id: &id };
    let payload = payload::message(params, &at_least);
    command(&request.state, to, payload, 1, &request.trace).await
}

/// The queue, or 404 if the topic has none. No route leads here with such a topic.
fn queue(name: Option<QueueName>) -> Result<QueueName, HttpError> {
    name.ok_or_else(|| HttpError::not_found("no service takes this command"))
}

async fn command(
    state: &GatewayState,
    to: QueueName,
    payload: Box<RawValue>,
    entities: usize,
    trace: &Trace,
) -> Result<Response, HttpError> {
    let config = &state.config;
    let timeout_ms =
        config.call_timeout_ms + config.call_timeout_ms_per_entity * (entities as u64 - 1);
    let reply = state
        .call(
            to,
            payload,
            state.ids.message_id(),
            trace,
            Duration::from_millis(timeout_ms),
        )
        .await?;
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
