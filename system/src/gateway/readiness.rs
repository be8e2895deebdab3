//! Whether the system is ready to be used, asked anew by each `/health`. Knows no service; the app may bring its own check.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;
use uuid::Uuid;

use crate::correlation::Correlation;
use crate::event_store::EventStore;
use crate::message_queue::{MessageQueue, OutgoingMessage};
use crate::position::{Positions, Projected};
use crate::queue_names::GET_POSITIONS;
use crate::topic::Topic;

use super::payload;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadinessState {
    /// Whether requests will be answered properly.
    pub ready: bool,
    /// Whether the read model has applied all that had been written when it was asked.
    pub read_model_caught_up: bool,
    /// Why it is not ready.
    pub reasons: Vec<String>,
}

impl ReadinessState {
    /// Not ready, for one reason.
    #[must_use]
    pub fn not_ready(reason: impl Into<String>) -> Self {
        Self {
            ready: false,
            read_model_caught_up: false,
            reasons: vec![reason.into()],
        }
    }
}

/// Says whether the system is ready. Should answer within a second and a half; the gateway waits no longer than two.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// Looks now.
    async fn check(&self) -> ReadinessState;
}

/// How long the read model may take to catch up with what was written before the check.
const CATCH_UP: Duration = Duration::from_millis(1500);

/// Ready when the event store answers and the read model has come as far as the store had when asked.
pub struct StoreReadiness {
    queue: Arc<dyn MessageQueue>,
    events: Arc<dyn EventStore>,
}

#[derive(Serialize)]
struct After<'a> {
    after: &'a Positions,
}

/// The reply to [`GET_POSITIONS`].
#[derive(Deserialize)]
pub(super) struct Applied {
    /// How far the read model has come.
    pub(super) result: Positions,
    /// When it applied what is of sampled requests.
    #[serde(default)]
    pub(super) batches: Vec<Projected>,
}

/// The payload of [`GET_POSITIONS`].
pub(super) fn positions_after(after: &Positions) -> Box<RawValue> {
    payload::message(After { after }, &Positions::NONE)
}

impl StoreReadiness {
    /// A check of this queue and this store.
    #[must_use]
    pub fn new(queue: Arc<dyn MessageQueue>, events: Arc<dyn EventStore>) -> Self {
        Self { queue, events }
    }

    async fn written(&self) -> Result<Positions, String> {
        let lasts = Topic::ALL.map(|topic| self.events.last_position(topic));
        let lasts = futures_util::future::try_join_all(lasts)
            .await
            .map_err(|error| error.to_string())?;
        let mut written = Positions::NONE;
        for (topic, position) in Topic::ALL.into_iter().zip(lasts) {
            written.raise(topic, position);
        }
        Ok(written)
    }

    async fn applied(&self, after: &Positions) -> Result<Positions, String> {
        let id = Uuid::now_v7().simple().to_string();
        let message = OutgoingMessage {
            to: GET_POSITIONS,
            message_id: id.clone(),
            payload: positions_after(after),
            correlation: Correlation {
                correlation_id: id.clone(),
                causation_id: id,
                times: None,
            },
        };
        let reply = self
            .queue
            .call(message, CATCH_UP)
            .await
            .map_err(|error| error.to_string())?;
        serde_json::from_str::<Applied>(reply.get())
            .map(|applied| applied.result)
            .map_err(|_| {
                format!(
                    "the read model does not say how far it has come: {}",
                    reply.get()
                )
            })
    }
}

fn behind(applied: &Positions, written: &Positions) -> Option<Topic> {
    written
        .iter()
        .find(|(topic, position)| applied.get(*topic).unwrap_or_default() < *position)
        .map(|(topic, _)| topic)
}

#[async_trait]
impl Readiness for StoreReadiness {
    async fn check(&self) -> ReadinessState {
        let deadline = Instant::now() + CATCH_UP;
        let written = match self.written().await {
            Ok(written) => written,
            Err(reason) => return ReadinessState::not_ready(reason),
        };
        let mut applied = Positions::NONE;
        loop {
            applied = match self.applied(&applied).await {
                Ok(applied) => applied,
                Err(reason) => return ReadinessState::not_ready(reason),
            };
            match behind(&applied, &written) {
                None => {
                    return ReadinessState {
                        ready: true,
                        read_model_caught_up: true,
                        reasons: Vec::new(),
                    };
                }
                Some(topic) if Instant::now() >= deadline => {
                    return ReadinessState::not_ready(format!(
                        "the read model is still behind in topic {topic}"
                    ));
                }
                Some(_) => {}
            }
        }
    }
}
