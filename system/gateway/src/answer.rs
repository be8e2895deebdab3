//! Handles one request: correlation id, route, method, handler, answer. Every outcome is an answer, counted by route.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use futures_util::FutureExt;
use hyper::Request;
use hyper::body::Incoming;

use ordershop_contract::queue_names::{
    GET_DELIVERED_ORDERS, GET_UNBILLED_ORDERS, GET_UNSHIPPED_ORDERS,
};
use ordershop_contract::topic::Topic;

use super::error::HttpError;
use super::queries::QueryRequest;
use super::routes::{self, Route};
use super::server_timing::SERVER_TIMING;
use super::shared::Shared;
use super::trace::Trace;
use super::{commands, event_page, feed, health, order_report, page, queries, report};

static CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Answers a request. Never fails: errors and panics become answers too.
pub(super) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Response {
    let started = Instant::now();
    let trace = shared.ids.trace(request.headers());
    let method = request.method().clone();
    let route = Route::resolve(request.uri().path());
    let index = route.as_ref().map_or(routes::UNKNOWN, Route::index);
    let handled = AssertUnwindSafe(handle(&shared, route, request, &trace))
        .catch_unwind()
        .await
        .unwrap_or_else(|_| {
            tracing::error!(%method, route = routes::PATTERNS[index], correlation_id = trace.correlation_id, "a handler panicked");
            Err(HttpError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the gateway failed on this request; see its log for the cause",
            ))
        });
    let mut response = handled.unwrap_or_else(HttpError::into_response);
    if let Some(timing) = &trace.timing {
        response
            .headers_mut()
            .insert(&SERVER_TIMING, timing.header());
    }
    let value = HeaderValue::try_from(trace.correlation_id).expect("hex digits are plain text");
    response.headers_mut().insert(&CORRELATION_ID, value);
    shared
        .requests
        .record(index, &method, response.status(), started.elapsed());
    response
}

async fn handle(
    shared: &Arc<Shared>,
    route: Result<Route, HttpError>,
    request: Request<Incoming>,
    trace: &Trace,
) -> Result<Response, HttpError> {
    let route = route?;
    match (&route, request.method()) {
        (_, &Method::OPTIONS) => Ok(options(&route)),
        (_, &(Method::GET | Method::HEAD)) => read(shared, &route, request, trace).await,
        (Route::Single(topic), &Method::POST) => {
            commands::create(shared, *topic, request, trace).await
        }
        (Route::Collection(topic), &Method::POST) => {
            commands::create_later(shared, *topic, request, trace).await
        }
        (Route::Entity(topic, id), &Method::PUT) => {
            commands::update(shared, *topic, id, request, trace).await
        }
        (Route::Entity(topic, id), &Method::DELETE) => {
            commands::delete(shared, *topic, id, request, trace).await
        }
        _ => Err(wrong_method(&route, &request)),
    }
}

async fn read(
    shared: &Arc<Shared>,
    route: &Route,
    request: Request<Incoming>,
    trace: &Trace,
) -> Result<Response, HttpError> {
    let query = QueryRequest {
        query: request.uri().query(),
        headers: request.headers(),
        trace,
    };
    match route {
        Route::Entity(topic, id) => queries::one(shared, *topic, id, query).await,
        Route::Collection(topic) => queries::list(shared, *topic, query).await,
        Route::MailsSent => queries::list(shared, Topic::Mail, query).await,
        Route::Unbilled => {
            let topics = [Topic::Order, Topic::Billing];
            queries::derived(shared, GET_UNBILLED_ORDERS, &topics, query).await
        }
        Route::Unshipped => {
            let topics = [Topic::Order, Topic::Shipping];
            queries::derived(shared, GET_UNSHIPPED_ORDERS, &topics, query).await
        }
        Route::Delivered => {
            queries::derived(shared, GET_DELIVERED_ORDERS, &[Topic::Shipping], query).await
        }
        Route::Report => report::report(shared, query).await,
        Route::OrderReport => order_report::report(shared, query).await,
        Route::Events => feed::upgrade(shared, request).await,
        Route::EventPage(topic) => event_page::page(shared, *topic, query).await,
        Route::Health => Ok(health::health(shared).await),
        Route::Metrics => shared.metrics.answer().await,
        Route::Page(asset) => Ok(page::page(*asset, request.headers())),
        Route::Single(_) => Err(wrong_method(route, &request)),
    }
}

fn wrong_method(route: &Route, request: &Request<Incoming>) -> HttpError {
    HttpError::wrong_method(
        request.method().as_str(),
        request.uri().path(),
        route.allow(),
    )
}

fn options(route: &Route) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(route.allow()));
    response
}
