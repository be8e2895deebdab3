//! Queries: reads of entities and lists become messages to the read model, each with the positions that it must have applied.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use ordershop_contract::message_queue::QueueName;
use ordershop_contract::payload;
use ordershop_contract::queue_names::GET_ENTITY;
use ordershop_contract::topic::Topic;

use super::body_writer;
use super::error::{HttpError, json};
use super::pages::{Pages, ask_for_page};
use super::paging::{PAGE_MAX, QueryString};
use super::reply;
use super::shared::Shared;
use super::trace::Trace;

/// The parts of a request that a query needs.
pub(super) struct QueryRequest<'a> {
    pub(super) query: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
    pub(super) trace: &'a Trace,
}

/// `GET /order/{id}`: the reply's bytes become the answer's body.
pub(super) async fn one(
    shared: &Shared,
    topic: Topic,
    id: &str,
    request: QueryRequest<'_>,
) -> Result<Response, HttpError> {
    QueryString::parse(request.query, &[])?;
    let at_least = shared.session.at_least(&[topic], request.headers)?;
    let payload = payload::message(payload::ById { name: topic, id }, &at_least);
    let reply = shared.ask(GET_ENTITY, payload, request.trace).await?;
    Ok(json(StatusCode::OK, reply::answer(reply, request.trace)?))
}

/// `/orders/unbilled` and similar routes: a query without parameters.
pub(super) async fn derived(
    shared: &Shared,
    to: QueueName,
    topics: &[Topic],
    request: QueryRequest<'_>,
) -> Result<Response, HttpError> {
    QueryString::parse(request.query, &[])?;
    let at_least = shared.session.at_least(topics, request.headers)?;
    let payload = payload::message(payload::Empty {}, &at_least);
    let reply = shared.ask(to, payload, request.trace).await?;
    Ok(json(StatusCode::OK, reply::answer(reply, request.trace)?))
}

/// `GET /orders` and `/mails/sent`: one page if requested, else everything, streamed.
pub(super) async fn list(
    shared: &Arc<Shared>,
    topic: Topic,
    request: QueryRequest<'_>,
) -> Result<Response, HttpError> {
    let query = QueryString::parse(request.query, &["limit", "cursor"])?;
    let at_least = shared.session.at_least(&[topic], request.headers)?;
    if let Some(page) = query.page()? {
        let reply = ask_for_page(
            shared,
            topic,
            page,
            &at_least,
            &request.trace.correlation_id,
        )
        .await?;
        return Ok(json(StatusCode::OK, reply::pass_on(reply)?));
    }
    let mut pages = Pages::new(
        shared,
        topic,
        PAGE_MAX,
        at_least,
        &request.trace.correlation_id,
    );
    let first = pages.next().await?.unwrap_or_default();
    if pages.ended() {
        return Ok(json(StatusCode::OK, format!("{{\"result\":[{first}]}}")));
    }
    let body = body_writer::stream(shared, |mut body| async move {
        body.write("{\"result\":[").await?;
        body.write_items(first, &mut pages).await?;
        body.write("]}").await?;
        Ok(body)
    });
    Ok(json(StatusCode::OK, body))
}
