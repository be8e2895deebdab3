//! Whether the system is ready, checked anew for each `/health`. Must not know any service.

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

use crate::payload;

/// The result of a readiness check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadinessState {
    /// Whether the system is ready for requests.
    pub ready: bool,
    /// Why the system is not ready; empty if it is.
    pub reasons: Vec<String>,
}

impl ReadinessState {
    /// Not ready, for one reason.
    #[must_use]
    pub fn not_ready(reason: impl Into<String>) -> Self {
        Self {
            ready: false,
            reasons: vec![reason.into()],
        }
    }
}

/// Checks whether the system is ready. Should answer within 1.5 s; the gateway waits at most 2 s.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// Checks now.
    async fn check(&self) -> ReadinessState;
}

/// How long the read model may take to apply what was written before the check.
const CATCH_UP: Duration = Duration::from_millis(1500);

/// Ready when the event store answers and the read model has applied everything that was written before the check.
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
pub struct Applied {
    /// The read model's progress.
    pub result: Positions,
    /// When the read model applied batches with sampled requests' events.
    #[serde(default)]
    pub batches: Vec<Projected>,
}

/// The payload of [`GET_POSITIONS`]: the read model replies once it is past `after`.
pub fn positions_after(after: &Positions) -> Box<RawValue> {
    payload::message(After { after }, &Positions::NONE)
}

impl StoreReadiness {
    /// A check through this queue and this store.
    #[must_use]
    pub fn new(queue: Arc<dyn MessageQueue>, events: Arc<dyn EventStore>) -> Self {
        Self { queue, events }
    }

    async fn written(&self) -> Result<Positions, String> {
        let lasts = Topic::ALL.map(|topic| self.events.last_position(topic));
        let lasts = futures_util::future::try_join_all(lasts)
            .await
            .map_err(|error| format!("the event store can't be read: {error}"))?;
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
            .map_err(|error| format!("the read model can't be asked: {error}"))?;
        serde_json::from_str::<Applied>(reply.get())
            .map(|applied| applied.result)
            .map_err(|_| {
                format!(
                    "the read model's progress could not be read: {}",
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
                        reasons: Vec::new(),
                    };
                }
                Some(topic) if Instant::now() >= deadline => {
                    return ReadinessState::not_ready(format!(
                        "the read model has not yet applied all events of topic {topic}"
                    ));
                }
                Some(_) => {}
            }
        }
    }
}
