//! The routes: axum's router with every path, its methods and their handlers. Must not know what a handler does.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use axum::{Router, middleware};

use ordershop_contract::topic::Topic;

use super::answer::answer;
use super::error::HttpError;
use super::lists::List;
use super::page::{self, Asset};
use super::request::{GatewayRequest, PathParam};
use super::state::GatewayState;
use super::{commands, event_page, feed, health, queries, report};

/// The list of routes that a 404 shows.
const ROUTE_LIST: &str = "there are GET, PUT, DELETE /{entity}/{id}, POST /{entity}, GET and POST /{entities} for \
     customer(s), product(s), inventory (inventories), cart(s), order(s), billing(s), shipping(s), and \
     GET /orders/unbilled, /orders/unshipped, /orders/delivered, /mails/sent, /report, /report/orders, \
     /events (WebSocket), /events/{topic}, /health, /metrics, /";

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
            read(|request: GatewayRequest| queries::list(List::Mails, request)),
        )
        .route("/report", read(report::report))
        .route(
            "/report/orders",
            read(|request: GatewayRequest| queries::list(List::OrderReport, request)),
        )
        .route("/events", read(feed::upgrade))
        .route("/events/{topic}", read(event_page::page))
        .route("/health", read(health::health))
        .route("/metrics", read(metrics));
    Asset::ALL
        .into_iter()
        .fold(router, |router, asset| {
            let file = move |headers: HeaderMap| async move { page::page(asset, &headers) };
            router.route(asset.path(), read(file))
        })
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(Arc::clone(&state), answer))
        .with_state(state)
}

fn entity_routes(router: Router<Arc<GatewayState>>, topic: Topic) -> Router<Arc<GatewayState>> {
    let entity =
        get(move |id: PathParam, request: GatewayRequest| queries::entity(topic, id, request))
            .put(move |id: PathParam, request: GatewayRequest| commands::update(topic, id, request))
            .delete(move |id: PathParam, request: GatewayRequest| {
                commands::delete(topic, id, request)
            });
    let create = post(move |request: GatewayRequest| commands::create(topic, request));
    let list = get(move |request: GatewayRequest| queries::list(List::Entities(topic), request))
        .post(move |request: GatewayRequest| commands::create_later(topic, request));
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
fn read<T: 'static>(
    handler: impl Handler<T, Arc<GatewayState>>,
) -> MethodRouter<Arc<GatewayState>> {
    methods("GET, HEAD, OPTIONS", get(handler))
}

/// A route's methods; `allow` lists them for OPTIONS and for the answer to another method.
fn methods(
    allow: &'static str,
    handlers: MethodRouter<Arc<GatewayState>>,
) -> MethodRouter<Arc<GatewayState>> {
    handlers
        .options(move || async move { options(allow) })
        .fallback(move |method: Method, uri: Uri| async move {
            HttpError::wrong_method(method.as_str(), uri.path(), allow)
        })
}

fn options(allow: &'static str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

async fn unknown(uri: Uri) -> HttpError {
    HttpError::not_found(format!("no route {:?}; {ROUTE_LIST}", uri.path()))
}

async fn metrics(State(state): State<Arc<GatewayState>>) -> Result<Response, HttpError> {
    state.metrics_route.answer().await
}
