//! Which requests are refused before they are routed, and how: as their route would refuse them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::handler::Handler;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use ordershop_contract::queue_names;

use super::answer::answered;
use super::error::HttpError;
use super::json_body;
use super::request::GatewayRequest;
use super::state::GatewayState;

/// The longest body that is read although its request is refused: reading it costs less than a new connection.
const READ_BYTES_MAX: u64 = 64 << 10;
/// What is asked by those who look after the system.
const PROBES: [&str; 2] = ["/health", "/metrics"];

/// Whether a request is refused: a read or something new of which too many wait to be read, or something new while what was begun before is
/// behind.
pub(super) fn refuses<B>(request: &Request<B>, crowded: bool, state: &GatewayState) -> bool {
    let path = request.uri().path();
    match *request.method() {
        Method::GET => crowded && !PROBES.contains(&path),
        Method::POST if begins(path) => {
            let timeout = Duration::from_millis(state.config.call_timeout_ms);
            crowded || state.progress.is_behind(timeout)
        }
        _ => false,
    }
}

/// Whether a journey begins with a POST to this path.
fn begins(path: &str) -> bool {
    let name = path.strip_prefix('/').unwrap_or_default();
    let mut topics = queue_names::BEGINS.into_iter();
    topics.any(|topic| name == topic.name() || name == topic.plural())
}

/// Answers 503, with all that belongs to every answer. Reads a short body before: its connection goes on.
pub(super) fn answer(
    request: Request<Body>,
    state: &Arc<GatewayState>,
) -> impl Future<Output = Response> + use<> {
    let state = Arc::clone(state);
    let refused = |_: GatewayRequest| async { Err(overloaded()) };
    async move {
        let (head, body) = request.into_parts();
        if body
            .size_hint()
            .upper()
            .is_some_and(|max| max <= READ_BYTES_MAX)
        {
            json_body::discard(body).await;
        }
        let request = Request::from_parts(head, Body::empty());
        answered(refused).call(request, state).await
    }
}

fn overloaded() -> HttpError {
    HttpError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the system is overloaded: too much waits already; nothing was done, try again later",
    )
}
