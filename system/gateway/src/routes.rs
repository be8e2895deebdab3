//! The routes: axum's router with every path, its methods and their handlers. Must not know what a handler does.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};

use ordershop_contract::topic::Topic;

use super::answer::answered;
use super::error::HttpError;
use super::lists::List;
use super::page::{self, Asset};
use super::request::GatewayRequest;
use super::state::GatewayState;
use super::{commands, dead_letters, event_page, feed, health, queries, report, requests};

/// The list of routes that a 404 shows.
const ROUTE_LIST: &str = "there are GET, PUT, DELETE /{entity}/{id}, POST /{entity}, GET and POST /{entities} for \
     customer(s), product(s), inventory (inventories), cart(s), order(s), billing(s), shipping(s), and \
     GET /orders/unbilled, /orders/unshipped, /orders/delivered, /mails/sent, /report, /report/orders, \
     /requests/{id}, /dead-letters, /events (WebSocket), /events/{topic}, /health, /metrics, /";

/// The service that answers every request.
pub(super) fn router(state: Arc<GatewayState>) -> Router {
    // Clients can't read or write a single mail.
    let entities = Topic::ALL.into_iter().filter(|topic| *topic != Topic::Mail);
    let router = entities
        .fold(Router::new(), entity_routes)
        .route("/orders/unbilled", read(queries::unbilled_orders))
        .route("/orders/unshipped", read(queries::unshipped_orders))
        .route("/orders/delivered", read(queries::delivered_orders))
        .route(
            "/mails/sent",
            read(|request| queries::list(List::Mails, request)),
        )
        .route("/requests/{id}", read(requests::outcome))
        .route("/dead-letters", read(dead_letters::list))
        .route(
            "/dead-letters/{id}",
            methods(
                "GET, HEAD, DELETE, OPTIONS",
                get(answered(dead_letters::show)).delete(answered(dead_letters::drop)),
            ),
        )
        .route(
            "/dead-letters/{id}/resend",
            methods("POST, OPTIONS", post(answered(dead_letters::resend))),
        )
        .route("/report", read(report::report))
        .route(
            "/report/orders",
            read(|request| queries::list(List::OrderReport, request)),
        )
        .route("/events", read(feed::upgrade))
        .route("/events/{topic}", read(event_page::page))
        .route("/health", read(health::health))
        .route("/metrics", read(metrics));
    Asset::ALL
        .into_iter()
        .fold(router, |router, asset| {
            let file = move |request: GatewayRequest| async move {
                Ok(page::page(asset, request.http.headers()))
            };
            router.route(asset.path(), read(file))
        })
        .fallback(answered(unknown))
        .with_state(state)
}

fn entity_routes(router: Router<Arc<GatewayState>>, topic: Topic) -> Router<Arc<GatewayState>> {
    let entity = get(answered(move |request| queries::entity(topic, request)))
        .put(answered(move |request| commands::update(topic, request)))
        .delete(answered(move |request| commands::delete(topic, request)));
    let create = post(answered(move |request| commands::create(topic, request)));
    let list = get(answered(move |request| {
        queries::list(List::Entities(topic), request)
    }))
    .post(answered(move |request| {
        commands::create_later(topic, request)
    }));
    router
        .route(
            &format!("/{topic}/{{id}}"),
            methods("GET, HEAD, PUT, DELETE, OPTIONS", entity),
        )
        .route(&format!("/{topic}"), methods("POST, OPTIONS", create))
        .route(
            &format!("/{}", topic.plural()),
            methods("GET, HEAD, POST, OPTIONS", list),
        )
}

/// The methods of a route that can only be read.
fn read<F, A>(handler: F) -> MethodRouter<Arc<GatewayState>>
where
    F: FnOnce(GatewayRequest) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Response, HttpError>> + Send + 'static,
{
    methods("GET, HEAD, OPTIONS", get(answered(handler)))
}

/// A route's methods; `allow` lists them for OPTIONS and for the answer to another method.
fn methods(
    allow: &'static str,
    handlers: MethodRouter<Arc<GatewayState>>,
) -> MethodRouter<Arc<GatewayState>> {
    handlers
        .options(answered(move |_| async move { Ok(options(allow)) }))
        .fallback(answered(move |request| async move {
            let (method, path) = (request.http.method(), request.http.uri().path());
            Err(HttpError::wrong_method(method.as_str(), path, allow))
        }))
}

fn options(allow: &'static str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

async fn unknown(request: GatewayRequest) -> Result<Response, HttpError> {
    let path = request.http.uri().path();
    Err(HttpError::not_found(format!(
        "no route {path:?}; {ROUTE_LIST}"
    )))
}

async fn metrics(request: GatewayRequest) -> Result<Response, HttpError> {
    request.state.metrics_route.answer().await
}
