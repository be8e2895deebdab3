//! Whether a process reaches the central components: the readiness of everything but the gateway, which asks for more.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::event_store::EventStore;
use crate::gateway::{Readiness, ReadinessState};
use crate::message_queue::MessageQueue;
use crate::queue_names;
use crate::topic::Topic;

/// Who doesn't answer within this is away.
const ANSWER_MS_MAX: u64 = 1_000;

/// Ready when what is named here answers.
pub(super) struct Reach {
    pub(super) events: Option<Arc<dyn EventStore>>,
    pub(super) queue: Option<Arc<dyn MessageQueue>>,
}

#[async_trait]
impl Readiness for Reach {
    async fn check(&self) -> ReadinessState {
        let limit = Duration::from_millis(ANSWER_MS_MAX);
        let mut reasons = Vec::new();
        if let Some(events) = &self.events {
            match tokio::time::timeout(limit, events.last_position(Topic::Order)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => reasons.push(error.to_string()),
                Err(_) => reasons.push(format!(
                    "the event store gave no answer within {ANSWER_MS_MAX} ms"
                )),
            }
        }
        if let Some(queue) = &self.queue {
            match tokio::time::timeout(limit, queue.status(&[queue_names::GET_POSITIONS])).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => reasons.push(error.to_string()),
                Err(_) => reasons.push(format!(
                    "the message queue gave no answer within {ANSWER_MS_MAX} ms"
                )),
            }
        }
        ReadinessState {
            ready: reasons.is_empty(),
            read_model_caught_up: false,
            reasons,
        }
    }
}
