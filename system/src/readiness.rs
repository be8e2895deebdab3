//! Readiness: whether Redis answers and the read model has caught up, and what the system runs on. Watched in the background, read by `/health`.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use crate::event_store::EventStore;
use crate::position::Positions;
use crate::read_model::Applied;
use crate::redis_connection::RedisLink;
use crate::redis_info::RedisInfo;
use crate::redis_server::Durability;
use crate::services::ServiceContext;
use crate::topic::Topic;

/// How often it is looked at.
const CHECK_MS: u64 = 500;
/// How often while it isn't ready.
const CHECK_STARTING_MS: u64 = 20;

/// What the system runs on.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RedisState {
    /// `redis` or `valkey`.
    pub server: String,
    /// Its version; empty while it was never reached.
    pub version: String,
    /// `none`, `everysec`, `always` or what else it says.
    pub durability: String,
    /// Why it can't be reached now, if it can't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Whether the read model has caught up.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ReadModelState {
    /// It has applied every event there was when it was last asked. Once true it stays so until Redis goes away.
    pub caught_up: bool,
}

/// What `/health` says.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Readiness {
    /// Whether requests will be served.
    pub ready: bool,
    /// What the system runs on.
    pub redis: RedisState,
    /// Whether reads are up to date.
    pub read_model: ReadModelState,
}

/// Watches until the context stops.
pub fn watch_readiness(
    context: &ServiceContext,
    link: RedisLink,
    wish: Option<Durability>,
    applied: Applied,
) -> watch::Receiver<Readiness> {
    let (sender, receiver) = watch::channel(Readiness::default());
    let (events, stop) = (Arc::clone(&context.events), context.stop.clone());
    context.tasks.spawn(async move {
        let mut now = Readiness::default();
        loop {
            let next = check(&now, &link, wish, &*events, &applied).await;
            if next.redis.error.is_some() && now.redis.error != next.redis.error {
                tracing::warn!(error = next.redis.error, "Redis can't be reached; trying again");
            }
            now = next;
            sender.send_replace(now.clone());
            let pause_ms = if now.ready { CHECK_MS } else { CHECK_STARTING_MS };
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
                () = stop.cancelled() => return,
            }
        }
    });
    receiver
}

async fn check(
    before: &Readiness,
    link: &RedisLink,
    wish: Option<Durability>,
    events: &dyn EventStore,
    applied: &Applied,
) -> Readiness {
    // The wish is set once a connection is there again: the server may have been started anew.
    let wish = wish.filter(|_| !before.ready);
    let redis = match RedisInfo::ask(link, wish).await {
        Ok(info) => RedisState {
            server: info.server,
            version: info.version,
            durability: info.durability,
            error: None,
        },
        Err(error) => {
            return Readiness {
                ready: false,
                redis: RedisState {
                    error: Some(error.to_string()),
                    ..before.redis.clone()
                },
                read_model: ReadModelState { caught_up: false },
            };
        }
    };
    let caught_up = before.read_model.caught_up || caught_up(events, applied).await;
    Readiness {
        ready: caught_up,
        redis,
        read_model: ReadModelState { caught_up },
    }
}

async fn caught_up(events: &dyn EventStore, applied: &Applied) -> bool {
    let mut ends = Positions::NONE;
    for topic in Topic::ALL {
        match events.last_position(topic).await {
            Ok(position) => ends.raise(topic, position),
            Err(_) => return false,
        }
    }
    applied.covers(&ends)
}
