//! What became of a request that was answered with its message's id at once. Must not know what a result means.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use ordershop_contract::message_queue::MessageOutcome;
use ordershop_contract::queue_names;
use ordershop_contract::topic::Topic;

use super::error::{HttpError, json};
use super::request::GatewayRequest;
use super::service_reply::{self, ServiceReply};

/// An accepted request.
#[derive(Serialize)]
struct AcceptedRequest<'a> {
    id: &'a str,
    /// `pending`, `done` or `refused`.
    state: &'static str,
    /// What the synchronous route would have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// `GET /requests/{id}`: whether an accepted request is done, and with which result.
pub(super) async fn outcome(request: GatewayRequest) -> Result<Response, HttpError> {
    let id = request.path_param()?;
    request.query_string(&[])?;
    let queues: Vec<_> = Topic::ALL
        .into_iter()
        .filter_map(queue_names::create)
        .collect();
    let outcome = request.state.queue.outcome(&queues, &id).await;
    let outcome = outcome.map_err(HttpError::of_query)?;
    let Some(outcome) = outcome else {
        return Err(HttpError::not_found(format!(
            "no request {id:?} is known: only those that POST /{{entities}} accepted are, for a day after they are done"
        )));
    };
    let mut accepted = AcceptedRequest {
        id: &id,
        state: "pending",
        result: None,
        error: None,
    };
    let reply;
    if let MessageOutcome::Answered(answered) = outcome {
        reply = answered;
        let reply = ServiceReply::parse(&reply)?;
        // Whoever knows that it is done reads its effect.
        if let Some(positions) = &reply.positions {
            request.state.answered.raise(positions);
        }
        match reply.result() {
            Ok(_) => {
                accepted.state = "done";
                accepted.result = reply.result;
            }
            Err(refused) => {
                accepted.state = "refused";
                accepted.error = Some(refused.message);
            }
        }
    }
    let body = serde_json::to_string(&accepted).expect("strings and raw JSON always serialize");
    Ok(json(StatusCode::OK, service_reply::body(&body)))
}
