//! The middleware around every handler: correlation id, times, count by route; a panic becomes an answer too.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use super::error::HttpError;
use super::server_timing::SERVER_TIMING;
use super::state::GatewayState;

static CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// The name of unknown paths in metrics.
const UNKNOWN_ROUTE: &str = "unknown";

/// Answers a request. Never fails: errors and panics become answers too.
pub(super) async fn answer(
    State(state): State<Arc<GatewayState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let trace = Arc::new(state.ids.trace(request.headers()));
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or(UNKNOWN_ROUTE, MatchedPath::as_str);
    request.extensions_mut().insert(Arc::clone(&trace));
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| {
        tracing::error!(%method, route, correlation_id = trace.correlation_id, "a handler panicked");
        HttpError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the gateway failed on this request; its log says more",
        )
        .into_response()
    });
    let headers = response.headers_mut();
    if let Some(timing) = &trace.timing {
        headers.insert(&SERVER_TIMING, timing.header());
    }
    let value = HeaderValue::from_str(&trace.correlation_id).expect("hex digits are plain text");
    headers.insert(&CORRELATION_ID, value);
    state
        .metrics
        .answered(&method, route, response.status(), started.elapsed());
    response
}
