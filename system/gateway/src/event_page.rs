//! `GET /events/{topic}?after=&limit=`: recorded events of a partition, page by page, oldest first. Lets a client audit derived state
//! against its source. Must not know what an event means.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;

use ordershop_contract::event_store::{EventStoreError, RecordedEvent};
use ordershop_contract::partition::{Partition, UnknownPartition};
use ordershop_contract::position::Position;

use super::body_writer::{self, BodyWriter};
use super::error::{HttpError, json};
use super::event_json::event_json;
use super::paging::PAGE_DEFAULT;
use super::request::GatewayRequest;
use super::state::GatewayState;

/// The most events in a page.
pub(super) const PAGE_EVENTS_MAX: usize = 1000;
/// Events per read of the store, so that a page of large carts is never in memory as a whole.
const READ_EVENTS: usize = 250;

/// Answers `{"result": [event…], "cursor": "<ms>-<seq>"}`; `cursor` is the `after` of the next page; the last page has none.
///
/// # Errors
/// 404 for an unknown partition; 400 for a bad `after` or `limit`; 503 if the event store is unavailable at the start. A later failure aborts the answer.
pub(super) async fn page(request: GatewayRequest) -> Result<Response, HttpError> {
    let partition: Partition = request
        .path_param()?
        .parse()
        .map_err(|error: UnknownPartition| HttpError::not_found(error.to_string()))?;
    let partitions = request.state.events.partitions();
    partitions
        .check(partition)
        .map_err(|error| HttpError::not_found(error.to_string()))?;
    let query = request.query_string(&["after", "limit"])?;
    let mut after = match query.get("after") {
        None => Position::START,
        Some(text) => {
            text.parse()
                .map_err(|error: ordershop_contract::position::BadPosition| {
                    HttpError::bad_request(format!("after: {error}"))
                })?
        }
    };
    let limit = query.limit(PAGE_EVENTS_MAX)?.unwrap_or(PAGE_DEFAULT);
    let state = request.state;
    let first = read(&state, partition, after, limit.min(READ_EVENTS)).await?;
    let source = Arc::clone(&state);
    let body = body_writer::stream(&state, |mut body| async move {
        body.write("{\"result\":[").await?;
        let (mut events, mut left) = (first, limit);
        let mut comma = "";
        loop {
            let asked = left.min(READ_EVENTS);
            write_events(&mut body, &mut comma, &events).await?;
            left -= events.len().min(left);
            after = events.last().map_or(after, |last| last.position);
            if events.len() < asked {
                body.write("]}").await?;
                return Ok(body);
            }
            if left == 0 {
                body.write(&format!("],\"cursor\":\"{after}\"}}")).await?;
                return Ok(body);
            }
            events = read(&source, partition, after, left.min(READ_EVENTS)).await?;
        }
    });
    Ok(json(StatusCode::OK, body))
}

async fn write_events(
    body: &mut BodyWriter,
    comma: &mut &str,
    events: &[RecordedEvent],
) -> Result<(), HttpError> {
    for event in events {
        body.write(comma).await?;
        body.write(&event_json(event)).await?;
        *comma = ",";
    }
    Ok(())
}

async fn read(
    state: &GatewayState,
    partition: Partition,
    after: Position,
    limit: usize,
) -> Result<Vec<RecordedEvent>, HttpError> {
    state
        .events
        .read(partition, after, limit)
        .await
        .map_err(|error| {
            let status = match error {
                EventStoreError::Invalid(_) => StatusCode::BAD_REQUEST,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            HttpError::new(status, error.to_string())
        })
}
