//! Queries: reads of entities and lists become messages to the read model, each with the positions that it must have applied.

use axum::http::StatusCode;
use axum::response::Response;

use ordershop_contract::message_queue::QueueName;
use ordershop_contract::payload;
use ordershop_contract::queue_names::{
    GET_DELIVERED_ORDERS, GET_ENTITY, GET_UNBILLED_ORDERS, GET_UNSHIPPED_ORDERS,
};
use ordershop_contract::topic::Topic;

use super::body_writer;
use super::error::{HttpError, json};
use super::etag;
use super::lists::List;
use super::request::GatewayRequest;
use super::service_reply;

/// `GET /order/{id}`: the entity, with its version as `ETag`; 304 if the client has that version.
pub(super) async fn entity(topic: Topic, request: GatewayRequest) -> Result<Response, HttpError> {
    let id = request.path_param()?;
    request.query_string(&[])?;
    let at_least = request.at_least(&[topic]).await?;
    let known = etag::if_none_match(request.http.headers())?;
    let payload = payload::message(
        payload::ById {
            name: topic,
            id: &id,
            versions: true,
        },
        &at_least,
    );
    let reply = request
        .state
        .ask(GET_ENTITY, payload, &request.trace)
        .await?;
    let (body, version) = service_reply::versioned(reply, &request.trace)?;
    let Some(version) = version else {
        return Ok(json(StatusCode::OK, body));
    };
    Ok(etag::tagged(etag::tag(version), known, || {
        json(StatusCode::OK, body)
    }))
}

/// `GET /orders/unbilled`: the orders that have no billing.
pub(super) async fn unbilled_orders(request: GatewayRequest) -> Result<Response, HttpError> {
    derived_list(
        GET_UNBILLED_ORDERS,
        &[Topic::Order, Topic::Billing],
        request,
    )
    .await
}

/// `GET /orders/unshipped`: the orders that have no shipping.
pub(super) async fn unshipped_orders(request: GatewayRequest) -> Result<Response, HttpError> {
    derived_list(
        GET_UNSHIPPED_ORDERS,
        &[Topic::Order, Topic::Shipping],
        request,
    )
    .await
}

/// `GET /orders/delivered`: the shippings that have been delivered.
pub(super) async fn delivered_orders(request: GatewayRequest) -> Result<Response, HttpError> {
    derived_list(GET_DELIVERED_ORDERS, &[Topic::Shipping], request).await
}

/// A query without parameters.
async fn derived_list(
    to: QueueName,
    topics: &[Topic],
    request: GatewayRequest,
) -> Result<Response, HttpError> {
    request.query_string(&[])?;
    let at_least = request.at_least(topics).await?;
    let payload = payload::message(payload::Empty {}, &at_least);
    let reply = request.state.ask(to, payload, &request.trace).await?;
    Ok(json(
        StatusCode::OK,
        service_reply::answer(reply, &request.trace)?,
    ))
}

/// `GET /orders`, `/mails/sent` and `/report/orders`: one page if requested, else everything, streamed.
pub(super) async fn list(list: List, request: GatewayRequest) -> Result<Response, HttpError> {
    let query = request.query_string(&["limit", "cursor"])?;
    let at_least = request.at_least(list.topics()).await?;
    if let Some(page) = query.page(list.page_max())? {
        let correlation_id = &request.trace.correlation_id;
        let reply = list.page(&request.state, page, &at_least, correlation_id);
        return Ok(json(StatusCode::OK, service_reply::pass_on(reply.await?)?));
    }
    let mut pages = request.pages(list, at_least);
    let first = pages.next().await?.unwrap_or_default();
    if pages.ended() {
        return Ok(json(StatusCode::OK, format!("{{\"result\":[{first}]}}")));
    }
    let body = body_writer::stream(&request.state, |mut body| async move {
        body.write("{\"result\":[").await?;
        body.write_items(first, &mut pages).await?;
        body.write("]}").await?;
        Ok(body)
    });
    Ok(json(StatusCode::OK, body))
}
