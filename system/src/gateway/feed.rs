//! The live feed: sends every event and the read model's progress to any number of WebSockets. Reads the event store without a group.

mod applied;
mod follower;
mod frame;
pub(super) mod hub;
mod outbox;
mod socket;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::{StatusCode, header};
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;

use crate::position::Positions;
use crate::topic::Topic;

use super::Shared;
use super::error::HttpError;
use super::paging::QueryString;

/// The longest message of a client; clients send control frames only.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Starts one follower per topic and the watch on the read model's progress; they pause while no socket is open.
pub(super) fn start(shared: &Arc<Shared>) {
    for topic in Topic::ALL {
        let follower = follower::follow(Arc::clone(shared), topic);
        let stop = shared.shutdown.clone();
        shared.tasks.spawn(async move {
            stop.run_until_cancelled(follower).await;
        });
    }
    let applied = applied::watch(Arc::clone(shared));
    let stop = shared.shutdown.clone();
    shared.tasks.spawn(async move {
        stop.run_until_cancelled(applied).await;
    });
}

/// What a client subscribes to.
#[derive(Debug)]
struct Wish {
    /// By [`Topic::index`].
    topics: [bool; Topic::ALL.len()],
    /// Start after these positions; topics without one start now.
    after: Positions,
    /// Send only sampled requests' events, and when the read model applied them instead of its progress.
    sampled: bool,
}

impl Wish {
    fn parse(query: Option<&str>) -> Result<Self, HttpError> {
        let query = QueryString::parse(query, &["topics", "after", "sampled"])?;
        let bad = |name: &str, error: &dyn std::fmt::Display| {
            HttpError::bad_request(format!("{name}: {error}"))
        };
        let mut topics = [query.get("topics").is_none(); Topic::ALL.len()];
        for name in query.get("topics").unwrap_or_default().split(',') {
            if !name.is_empty() {
                let topic: Topic = name.trim().parse().map_err(|error| bad("topics", &error))?;
                topics[topic.index()] = true;
            }
        }
        if topics.iter().all(|wanted| !wanted) {
            return Err(HttpError::bad_request("name at least one topic in topics"));
        }
        let after: Positions = query
            .get("after")
            .unwrap_or_default()
            .parse()
            .map_err(|error| bad("after", &error))?;
        let sampled = match query.get("sampled") {
            None | Some("false") => false,
            Some("true") if after.is_empty() => true,
            Some("true") => return Err(bad("sampled", &"it starts now; leave out `after`")),
            Some(other) => {
                return Err(bad(
                    "sampled",
                    &format!("`{other}` is unknown; use true or false"),
                ));
            }
        };
        Ok(Self {
            topics,
            after,
            sampled,
        })
    }

    fn topics(&self) -> impl Iterator<Item = Topic> + '_ {
        Topic::ALL
            .into_iter()
            .filter(|topic| self.topics[topic.index()])
    }
}

/// `GET /events`: upgrades the connection to a WebSocket.
pub(super) async fn upgrade(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response, HttpError> {
    let wish = Wish::parse(request.uri().query())?;
    let (mut parts, _) = request.into_parts();
    if !parts.headers.contains_key(header::UPGRADE) {
        return Err(HttpError::new(
            StatusCode::UPGRADE_REQUIRED,
            "/events is a WebSocket; connect to it with a WebSocket client (ws://)",
        ));
    }
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &())
        .await
        .map_err(|error| HttpError::bad_request(error.to_string()))?;
    let place = Arc::clone(&shared.sockets)
        .try_acquire_owned()
        .map_err(|_| {
            let max = shared.config.feed.sockets_max;
            HttpError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("the live feed already has its most clients, {max}; try again later"),
            )
        })?;
    let shared = Arc::clone(shared);
    let upgrade = upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| {
        let tasks = shared.tasks.clone();
        tasks.track_future(async move {
            let _place = place;
            socket::run(&shared, socket, wish).await;
        })
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails may panic")]
    use super::*;

    #[test]
    fn a_wish_names_topics_and_where_to_start() {
        let wish = Wish::parse(Some("topics=order,shipping&after=order%3D5-3")).unwrap();
        let topics: Vec<Topic> = wish.topics().collect();
        assert_eq!(topics, [Topic::Order, Topic::Shipping]);
        assert_eq!(wish.after.to_string(), "order=5-3");
        assert_eq!(Wish::parse(None).unwrap().topics().count(), 8);
        for bad in [
            "topics=",
            "topics=orders",
            "after=order",
            "topic=order",
            "sampled=1",
            "sampled=true&after=order%3D5-3",
        ] {
            assert!(Wish::parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
