//! The readiness of every process but the gateway: whether it reaches the event store and the message queue.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use ordershop_contract::event_store::EventStore;
use ordershop_contract::message_queue::MessageQueue;
use ordershop_contract::queue_names;
use ordershop_contract::readiness::{Readiness, ReadinessState};
use ordershop_contract::topic::Topic;

/// A component that doesn't answer within this counts as unreachable.
const ANSWER_MS_MAX: u64 = 1_000;

/// Ready when the components that are given here answer.
pub(super) struct PeerReadiness {
    pub(super) events: Option<Arc<dyn EventStore>>,
    pub(super) queue: Option<Arc<dyn MessageQueue>>,
}

#[async_trait]
impl Readiness for PeerReadiness {
    async fn check(&self) -> ReadinessState {
        let mut reasons = Vec::new();
        if let Some(events) = &self.events {
            let asked = events.last_position(Topic::Order.into());
            reasons.extend(unreachable_reason("the event store", asked).await);
        }
        if let Some(queue) = &self.queue {
            let asked = queue.status(&[queue_names::GET_ENTITY]);
            reasons.extend(unreachable_reason("the message queue", asked).await);
        }
        ReadinessState {
            ready: reasons.is_empty(),
            reasons,
        }
    }
}

/// Why a component counts as unreachable, if it does.
async fn unreachable_reason<T, E: ToString>(
    who: &str,
    asked: impl Future<Output = Result<T, E>>,
) -> Option<String> {
    match tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), asked).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("{who} did not answer within {ANSWER_MS_MAX} ms")),
    }
}
