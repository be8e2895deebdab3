//! Dead letters over REST: listed, read, handled again, dropped. Must not know why a letter became one.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use ordershop_contract::dead_letters::{DEAD_LETTERS_MAX, DeadLetter, DeadLetterRequest};

use super::error::{HttpError, json};
use super::paging::{PAGE_DEFAULT, percent_decode};
use super::request::GatewayRequest;
use super::service_reply;
use super::state::GatewayState;

/// A page of dead letters.
#[derive(Serialize)]
struct LetterPage {
    result: Vec<DeadLetter>,
    /// The cursor of the next page: how many letters are before it.
    cursor: Option<String>,
}

/// `GET /dead-letters`: a page of all.
pub(super) async fn list(request: GatewayRequest) -> Result<Response, HttpError> {
    let query = request.query_string(&["limit", "cursor"])?;
    let limit = query.limit(DEAD_LETTERS_MAX)?.unwrap_or(PAGE_DEFAULT);
    let skip = match query.get("cursor") {
        None => 0,
        Some(cursor) => number(cursor).ok_or_else(|| {
            HttpError::bad_request(format!("cursor is {cursor:?}; take it from a page before"))
        })?,
    };
    let list = DeadLetterRequest::List { skip, limit };
    let result = perform(&request.state, list).await?;
    let cursor = (result.len() == limit).then(|| (skip + limit).to_string());
    let page = serde_json::to_string(&LetterPage { result, cursor });
    let page = page.expect("strings and numbers always serialize");
    Ok(json(StatusCode::OK, page))
}

/// A cursor's number: one to nine digits.
fn number(cursor: &str) -> Option<usize> {
    let digits = cursor.bytes().all(|byte| byte.is_ascii_digit());
    (digits && cursor.len() <= 9).then(|| cursor.parse().ok())?
}

/// `GET /dead-letters/{id}`: one with its content.
pub(super) async fn show(request: GatewayRequest) -> Result<Response, HttpError> {
    let letter = one(request, DeadLetterRequest::Show).await?;
    let letter = serde_json::to_string(&letter).expect("strings and numbers always serialize");
    Ok(json(StatusCode::OK, service_reply::body(&letter)))
}

/// `POST /dead-letters/{id}/resend`: has it handled again.
pub(super) async fn resend(request: GatewayRequest) -> Result<Response, HttpError> {
    one(request, DeadLetterRequest::Resend).await?;
    Ok(json(StatusCode::OK, service_reply::body("true")))
}

/// `DELETE /dead-letters/{id}`: drops it.
pub(super) async fn drop(request: GatewayRequest) -> Result<Response, HttpError> {
    one(request, DeadLetterRequest::Drop).await?;
    Ok(json(StatusCode::OK, service_reply::body("true")))
}

async fn perform(
    state: &GatewayState,
    what: DeadLetterRequest,
) -> Result<Vec<DeadLetter>, HttpError> {
    let performed = state.queue.dead_letters(what).await;
    performed.map_err(HttpError::of_query)
}

/// Does something with the letter that the path names: the segment after `/dead-letters/`.
async fn one(
    request: GatewayRequest,
    what: fn(String) -> DeadLetterRequest,
) -> Result<DeadLetter, HttpError> {
    request.query_string(&[])?;
    let segment = request.http.uri().path().split('/').nth(2);
    let id = percent_decode(segment.unwrap_or_default(), false)
        .ok_or_else(|| HttpError::bad_request("the id is not percent-encoded UTF-8"))?;
    let mut letters = perform(&request.state, what(id.clone())).await?;
    letters
        .pop()
        .ok_or_else(|| HttpError::not_found(format!("there is no dead letter {id:?}")))
}
