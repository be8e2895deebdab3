//! What belongs to every request, around its handler: whether it is admitted, correlation id, times, count by route; a panic becomes an
//! answer too.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::handler::Handler;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use super::error::HttpError;
use super::metrics::HandlerMetrics;
use super::request::GatewayRequest;
use super::server_timing::SERVER_TIMING;
use super::state::GatewayState;
use super::strangers;

static CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// The name of unknown paths in metrics.
const UNKNOWN_ROUTE: &str = "unknown";

/// A handler of the gateway as one of axum's. A middleware could wrap all handlers instead, but boxes and clones once more on each request:
/// that was half of what the router costs.
#[derive(Clone)]
pub(super) struct Answered<F> {
    handler: F,
    metrics: Arc<HandlerMetrics>,
}

/// Makes a handler one of axum's; to be registered for one route alone.
pub(super) fn answered<F, A>(handler: F) -> Answered<F>
where
    F: FnOnce(GatewayRequest) -> A,
    A: Future<Output = Result<Response, HttpError>>,
{
    Answered {
        handler,
        metrics: Arc::default(),
    }
}

impl<F, A> Handler<(), Arc<GatewayState>> for Answered<F>
where
    F: FnOnce(GatewayRequest) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Response, HttpError>> + Send + 'static,
{
    type Future = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn call(self, request: Request, state: Arc<GatewayState>) -> Self::Future {
        Box::pin(answer(self, request, state))
    }
}

/// Answers a request. Never fails: errors and panics become answers too.
async fn answer<F, A>(
    Answered { handler, metrics }: Answered<F>,
    http: Request,
    state: Arc<GatewayState>,
) -> Response
where
    F: FnOnce(GatewayRequest) -> A,
    A: Future<Output = Result<Response, HttpError>>,
{
    let started = Instant::now();
    let trace = Arc::new(state.ids.trace(http.headers()));
    let method = http.method().clone();
    let matched = http.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or(UNKNOWN_ROUTE, MatchedPath::as_str);
    let admitted = state.config.strangers.admit(&http);
    let request = GatewayRequest {
        state: Arc::clone(&state),
        trace: Arc::clone(&trace),
        http,
    };
    let (handled, page) = match admitted {
        Ok(page) => (
            AssertUnwindSafe(handler(request)).catch_unwind().await,
            page,
        ),
        Err(refused) => (Ok(Err(refused)), None),
    };
    let mut response = handled
        .unwrap_or_else(|_| {
            tracing::error!(%method, route, correlation_id = trace.correlation_id, "a handler panicked");
            Err(HttpError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the gateway failed on this request; its log says more",
            ))
        })
        .unwrap_or_else(IntoResponse::into_response);
    let headers = response.headers_mut();
    if let Some(page) = page {
        strangers::tell_page(headers, page);
    }
    if let Some(timing) = &trace.timing {
        headers.insert(&SERVER_TIMING, timing.header());
    }
    let value = HeaderValue::from_str(&trace.correlation_id).expect("hex digits are plain text");
    headers.insert(&CORRELATION_ID, value);
    let took = started.elapsed();
    metrics.answered(&state.metrics, &method, route, response.status(), took);
    response
}
