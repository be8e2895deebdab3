//! Whether the system is ready, checked anew for each `/health`. Must not know any service.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use uuid::Uuid;

use crate::correlation::Correlation;
use crate::event_store::EventStore;
use crate::message_queue::{MessageQueue, OutgoingMessage};
use crate::partition::Partition;
use crate::position::Positions;
use crate::queue_names::GET_ENTITY;
use crate::topic::Topic;

use crate::payload::{self, ById};

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

impl StoreReadiness {
    /// A check through this queue and this store.
    #[must_use]
    pub fn new(queue: Arc<dyn MessageQueue>, events: Arc<dyn EventStore>) -> Self {
        Self { queue, events }
    }

    async fn written(&self) -> Result<Positions, String> {
        let all = self.events.partitions().all();
        let lasts = all
            .clone()
            .map(|partition| self.events.last_position(partition));
        let lasts = futures_util::future::try_join_all(lasts)
            .await
            .map_err(|error| format!("the event store can't be read: {error}"))?;
        let mut written = Positions::NONE;
        for (partition, position) in all.zip(lasts) {
            written.raise(partition, position);
        }
        Ok(written)
    }

    /// Waits until the system is ready; the reason if it isn't in time.
    async fn caught_up(&self) -> Result<(), String> {
        let deadline = Instant::now() + CATCH_UP;
        let written = self.written().await?;
        self.answers().await?;
        let mut applied = Positions::NONE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let told = self.events.applied(&applied, left).await;
            applied = told
                .map_err(|error| format!("the read model's progress can't be read: {error}"))?
                .positions;
            match behind(&applied, &written) {
                None => return Ok(()),
                Some(partition) if left.is_zero() => {
                    return Err(format!(
                        "the read model has not yet applied all events of topic {partition}"
                    ));
                }
                Some(_) => {}
            }
        }
    }

    /// Whether the read model answers.
    async fn answers(&self) -> Result<(), String> {
        let id = Uuid::now_v7().simple().to_string();
        let query = ById {
            name: Topic::Order,
            id: &id,
            versions: false,
        };
        let message = OutgoingMessage {
            to: GET_ENTITY,
            message_id: id.clone(),
            payload: payload::message(query, &Positions::NONE),
            correlation: Correlation {
                correlation_id: id.clone(),
                causation_id: id,
                times: None,
            },
        };
        let reply = self.queue.call(message, CATCH_UP).await;
        reply
            .map(|_| ())
            .map_err(|error| format!("the read model can't be asked: {error}"))
    }
}

fn behind(applied: &Positions, written: &Positions) -> Option<Partition> {
    written
        .iter()
        .find(|(partition, position)| applied.get(*partition).unwrap_or_default() < *position)
        .map(|(partition, _)| partition)
}

#[async_trait]
impl Readiness for StoreReadiness {
    async fn check(&self) -> ReadinessState {
        match self.caught_up().await {
            Ok(()) => ReadinessState {
                ready: true,
                reasons: Vec::new(),
            },
            Err(reason) => ReadinessState::not_ready(reason),
        }
    }
}
