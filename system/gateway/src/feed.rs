//! The live feed: sends every event and the read model's progress to any number of WebSockets. Reads the event store without a group.

mod applied;
mod attention;
mod feed_request;
mod follower;
mod socket;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::{StatusCode, header};
use axum::response::Response;

use super::error::{HttpError, WEBSOCKET_VERSION};
use super::request::GatewayRequest;
use super::state::GatewayState;
use feed_request::FeedRequest;

/// The longest message of a client; clients send control frames only.
const MESSAGE_BYTES_MAX: usize = 4096;
/// How much of a client's messages is read at once. The library fills so much with zeros before each read, and it looks for something to read
/// with every frame that goes out.
const READ_BYTES: usize = 512;

/// Starts one follower per partition and the watch on the read model's progress; they pause while no socket is open.
pub(super) fn start(state: &Arc<GatewayState>) {
    for partition in state.events.partitions().all() {
        let follower = follower::follow(Arc::clone(state), partition);
        let stop = state.shutdown.clone();
        state.tasks.spawn(async move {
            stop.run_until_cancelled(follower).await;
        });
    }
    let applied = applied::watch(Arc::clone(state));
    let stop = state.shutdown.clone();
    state.tasks.spawn(async move {
        stop.run_until_cancelled(applied).await;
    });
}

/// `GET /events`: upgrades the connection to a WebSocket.
pub(super) async fn upgrade(request: GatewayRequest) -> Result<Response, HttpError> {
    let GatewayRequest { state, http, .. } = request;
    let wanted = FeedRequest::parse(http.uri().query(), state.events.partitions())?;
    let (mut parts, _) = http.into_parts();
    let version = parts.headers.get(header::SEC_WEBSOCKET_VERSION);
    let other_version = version.is_some_and(|version| version != WEBSOCKET_VERSION);
    if other_version || !parts.headers.contains_key(header::UPGRADE) {
        return Err(HttpError::new(
            StatusCode::UPGRADE_REQUIRED,
            "/events is a WebSocket; connect to it with a WebSocket client (ws://, version 13 of the protocol)",
        ));
    }
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &())
        .await
        .map_err(|error| HttpError::bad_request(error.to_string()))?;
    let place = Arc::clone(&state.sockets)
        .try_acquire_owned()
        .map_err(|_| {
            let max = state.config.feed.sockets_max;
            HttpError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("the live feed already has its most clients, {max}; try again later"),
            )
        })?;
    let upgrade = upgrade
        .read_buffer_size(READ_BYTES)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| {
        let tasks = state.tasks.clone();
        tasks.track_future(async move {
            let _place = place;
            socket::run(&state, socket, wanted).await;
        })
    }))
}
