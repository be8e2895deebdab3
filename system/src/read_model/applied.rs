//! How far the projections have come, and waiting for them. Knows positions, not what lies there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::event_store::{EventStore, EventStoreError};
use crate::position::{Position, Positions};
use crate::topic::Topic;

/// A query waits so long for the position that it asks for.
pub const WAIT_MS_MAX: u64 = 2_000;

/// Up to where each topic is applied; shared by the projections, which raise it, and the queries, which wait for it.
#[derive(Clone, Debug)]
pub struct Applied(Arc<watch::Sender<Positions>>);

impl Default for Applied {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Positions::NONE)))
    }
}

impl Applied {
    /// Says that `topic` is applied up to `position`.
    pub fn raise(&self, topic: Topic, position: Position) {
        self.0.send_if_modified(|positions| {
            let before = *positions;
            positions.raise(topic, position);
            before != *positions
        });
    }

    /// Up to where each topic is applied now.
    #[must_use]
    pub fn now(&self) -> Positions {
        *self.0.borrow()
    }

    /// Whether everything up to `wanted` is applied.
    #[must_use]
    pub fn covers(&self, wanted: &Positions) -> bool {
        covers(&self.0.borrow(), wanted)
    }

    /// Waits until `wanted` is applied; `false` after [`WAIT_MS_MAX`]. A position beyond its stream's end is taken as the end now: the asker
    /// means *everything up to that time* (stream ids are time), and nothing can come before it any more.
    ///
    /// # Errors
    /// The streams' ends can't be learned.
    pub async fn wait(
        &self,
        wanted: &Positions,
        events: &dyn EventStore,
    ) -> Result<bool, EventStoreError> {
        if self.covers(wanted) {
            return Ok(true);
        }
        let now = self.now();
        let mut reachable = Positions::NONE;
        for (topic, position) in wanted.iter() {
            if now.get(topic) < Some(position) {
                let end = events.last_position(topic).await?;
                reachable.raise(topic, position.min(end));
            }
        }
        let mut changes = self.0.subscribe();
        let reached = changes.wait_for(|applied| covers(applied, &reachable));
        let reached = tokio::time::timeout(Duration::from_millis(WAIT_MS_MAX), reached).await;
        Ok(reached.is_ok())
    }

    /// Waits until any topic is beyond `after`, at most `wait_max`; answers where they are.
    pub async fn beyond(&self, after: &Positions, wait_max: Duration) -> Positions {
        let mut changes = self.0.subscribe();
        let moved = changes.wait_for(|applied| {
            applied
                .iter()
                .any(|(topic, position)| after.get(topic) < Some(position))
        });
        // Nothing moved in time: that is an answer too.
        let _ = tokio::time::timeout(wait_max, moved).await;
        self.now()
    }
}

fn covers(applied: &Positions, wanted: &Positions) -> bool {
    wanted.iter().all(|(topic, position)| {
        position == Position::START || applied.get(topic) >= Some(position)
    })
}
