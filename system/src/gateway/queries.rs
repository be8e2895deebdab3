//! Queries: reads of entities and lists become messages to the read model, each with the positions that it must have applied.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::message_queue::QueueName;
use crate::position::Positions;
use crate::queue_names::{GET_ENTITIES, GET_ENTITY, GET_MAILS};
use crate::topic::Topic;

use super::body_writer;
use super::error::{HttpError, json};
use super::paging::{PAGE_MAX, Page, QueryString};
use super::reply::{self, Reply};
use super::trace::Trace;
use super::{Shared, payload};

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

async fn ask_for_page(
    shared: &Shared,
    topic: Topic,
    page: Page<'_>,
    at_least: &Positions,
    correlation_id: &str,
) -> Result<Box<serde_json::value::RawValue>, HttpError> {
    let (to, name) = match topic {
        Topic::Mail => (GET_MAILS, None),
        topic => (GET_ENTITIES, Some(topic)),
    };
    let params = payload::PageOf {
        name,
        limit: page.limit,
        cursor: page.cursor,
    };
    shared
        .query(to, payload::message(params, at_least), correlation_id)
        .await
}

/// Reads a collection page by page, so that no query or reply grows with it.
pub(super) struct Pages {
    shared: Arc<Shared>,
    topic: Topic,
    page_max: usize,
    at_least: Positions,
    correlation_id: String,
    next: Next,
}

enum Next {
    First,
    After(String),
    End,
}

impl Pages {
    pub(super) fn new(
        shared: &Arc<Shared>,
        topic: Topic,
        page_max: usize,
        at_least: Positions,
        correlation_id: &str,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            topic,
            page_max,
            at_least,
            correlation_id: correlation_id.to_owned(),
            next: Next::First,
        }
    }

    /// Whether all pages have been read.
    pub(super) fn ended(&self) -> bool {
        matches!(self.next, Next::End)
    }

    /// The next page's items in JSON, separated by commas, without brackets; `None` at the end.
    ///
    /// # Errors
    /// The errors of a query; 502 for a cursor that doesn't move, which would never end.
    pub(super) async fn next(&mut self) -> Result<Option<String>, HttpError> {
        let cursor = match &self.next {
            Next::First => None,
            Next::After(cursor) => Some(cursor.as_str()),
            Next::End => return Ok(None),
        };
        let page = Page {
            limit: self.page_max,
            cursor,
        };
        let reply = ask_for_page(
            &self.shared,
            self.topic,
            page,
            &self.at_least,
            &self.correlation_id,
        )
        .await?;
        let reply = Reply::parse(&reply)?;
        let items = reply::items(reply.result()?)?.to_owned();
        if reply.cursor.is_some() && reply.cursor.as_deref() == cursor {
            return Err(HttpError::new(
                StatusCode::BAD_GATEWAY,
                "the read model answered with a page that has the previous page's cursor",
            ));
        }
        self.next = reply
            .cursor
            .map_or(Next::End, |cursor| Next::After(cursor.into_owned()));
        Ok(Some(items))
    }
}
