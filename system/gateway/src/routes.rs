//! The table of routes: every path, its methods, their handlers and their descriptions. Must not know what a handler does.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::Response;

use ordershop_contract::topic::Topic;

use super::answer::answered;
use super::config::GatewayConfig;
use super::error::{HttpError, json};
use super::group_lags::Buckets;
use super::lists::List;
use super::openapi::{self, describe};
use super::page::{self, Asset};
use super::request::GatewayRequest;
use super::route::{Route, Verb};
use super::state::GatewayState;
use super::{commands, dead_letters, event_page, feed, health, queries, report, requests};

/// The list of routes that a 404 shows.
const ROUTE_LIST: &str = "there are GET, PUT, DELETE /{entity}/{id}, POST /{entity}, GET and POST /{entities} for \
     customer(s), product(s), inventory (inventories), cart(s), order(s), billing(s), shipping(s), and \
     GET /orders/unbilled, /orders/unshipped, /orders/delivered, /mails/sent, /report, /report/orders, \
     /requests/{id}, /dead-letters, /events (WebSocket), /events/{topic}, /health, /metrics, /, and /openapi.json, which describes them all";

/// Every route. A new one comes here, with its description from [`describe`]: so it is served, and so it is in `/openapi.json`.
pub(super) fn table() -> Vec<Route> {
    // Clients can't read or write a single mail.
    let entities = Topic::ALL.into_iter().filter(|topic| *topic != Topic::Mail);
    let others = [
        Route::read(
            "/orders/unbilled",
            describe::orders_without("billing"),
            queries::unbilled_orders,
        ),
        Route::read(
            "/orders/unshipped",
            describe::orders_without("shipping"),
            queries::unshipped_orders,
        ),
        Route::read(
            "/orders/delivered",
            describe::delivered_orders(),
            queries::delivered_orders,
        ),
        Route::read("/mails/sent", describe::mails(), |request| {
            queries::list(List::Mails, request)
        }),
        Route::read("/requests/{id}", describe::request(), requests::outcome),
        Route::read(
            "/dead-letters",
            describe::dead_letters(),
            dead_letters::list,
        ),
        Route::read(
            "/dead-letters/{id}",
            describe::dead_letter(),
            dead_letters::show,
        )
        .on(
            Verb::Delete,
            describe::drop_dead_letter(),
            dead_letters::drop,
        ),
        Route::at("/dead-letters/{id}/resend".to_owned()).on(
            Verb::Post,
            describe::resend_dead_letter(),
            dead_letters::resend,
        ),
        Route::read("/report", describe::report(), report::report),
        Route::read("/report/orders", describe::order_report(), |request| {
            queries::list(List::OrderReport, request)
        }),
        Route::read("/events", describe::feed(), feed::upgrade),
        Route::read("/events/{topic}", describe::events(), event_page::page),
        Route::read("/health", describe::health(), health::health),
        Route::read("/metrics", describe::metrics(), metrics),
        Route::read("/openapi.json", describe::openapi(), description),
    ];
    entities
        .flat_map(of_entity)
        .chain(others)
        .chain(Asset::ALL.map(of_asset))
        .collect()
}

/// What `/openapi.json` answers.
pub(super) fn document(table: &[Route], config: &GatewayConfig) -> Bytes {
    let operations = table.iter().flat_map(|route| {
        let of_route = route.operations.iter();
        of_route.map(|(verb, operation)| (&*route.path, verb.key(), operation))
    });
    openapi::document(operations, config)
}

/// The service that answers every request.
pub(super) fn router(table: Vec<Route>, state: Arc<GatewayState>) -> Router {
    table
        .into_iter()
        .fold(Router::new(), |router, route| route.serve(router))
        .fallback(answered(unknown))
        .with_state(state)
}

fn of_entity(topic: Topic) -> [Route; 3] {
    let one = Route::read(
        &format!("/{topic}/{{id}}"),
        describe::read(topic),
        move |request| queries::entity(topic, request),
    )
    .on(Verb::Put, describe::update(topic), move |request| {
        commands::update(topic, request)
    })
    .on(Verb::Delete, describe::delete(topic), move |request| {
        commands::delete(topic, request)
    });
    let create =
        Route::at(format!("/{topic}")).on(Verb::Post, describe::create(topic), move |request| {
            commands::create(topic, request)
        });
    let all = Route::read(
        &format!("/{}", topic.plural()),
        describe::list(topic),
        move |request| queries::list(List::Entities(topic), request),
    )
    .on(Verb::Post, describe::create_later(topic), move |request| {
        commands::create_later(topic, request)
    });
    [one, create, all]
}

fn of_asset(asset: Asset) -> Route {
    let operation = describe::asset(asset.path(), asset.content_type());
    Route::read(asset.path(), operation, move |request| async move {
        page::page(asset, request.http.headers())
    })
}

async fn unknown(request: GatewayRequest) -> Result<Response, HttpError> {
    let path = request.http.uri().path();
    Err(HttpError::not_found(format!(
        "no route {path:?}; {ROUTE_LIST}"
    )))
}

async fn metrics(request: GatewayRequest) -> Result<Response, HttpError> {
    let query = request.query_string(&["buckets"])?;
    let buckets = Buckets::named(query.get("buckets")).ok_or_else(|| {
        HttpError::bad_request("the query parameter buckets must be coarse or fine".to_owned())
    })?;
    let accept = request.http.headers().get(header::ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    request.state.metrics_route.answer(buckets, accept).await
}

async fn description(request: GatewayRequest) -> Result<Response, HttpError> {
    Ok(json(StatusCode::OK, request.state.openapi.clone()))
}
