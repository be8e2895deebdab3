//! How far the projections have come, and waiting for them. Knows positions, not what lies there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::elsewhere::{Elsewhere, Pauses};
use super::store::ReadStore;
use crate::event_store::{EventStore, EventStoreError};
use crate::position::{Position, Positions, Projected};
use crate::topic::Topic;

/// A query waits so long for the position that it asks for: longer than the lease of a projector that was killed, shorter than a caller waits.
pub const WAIT_MS_MAX: u64 = 3_000;
/// Batches with events of sampled requests remembered: more than are applied between two questions.
const BATCHES_MAX: usize = 256;

/// Up to where each topic is applied: raised by this process's projections and, where another process projects, by a look into the
/// cache while a query waits.
#[derive(Clone)]
pub struct Applied(Arc<Inner>);

struct Inner {
    positions: watch::Sender<Positions>,
    /// The latest batches with events of sampled requests.
    batches: Mutex<VecDeque<Projected>>,
    elsewhere: Elsewhere,
}

impl Applied {
    /// Nothing is known to be applied yet; `store` says what others apply.
    #[must_use]
    pub fn new(store: ReadStore) -> Self {
        Self(Arc::new(Inner {
            positions: watch::Sender::new(Positions::NONE),
            batches: Mutex::default(),
            elsewhere: Elsewhere::new(store),
        }))
    }

    /// Says that `topic` is applied up to `position`, by whomever.
    pub fn raise(&self, topic: Topic, position: Position) {
        self.0.positions.send_if_modified(|positions| {
            let before = *positions;
            positions.raise(topic, position);
            before != *positions
        });
    }

    /// Says that this process has applied `topic` up to `position`.
    pub fn wrote(&self, topic: Topic, position: Position) {
        self.0.elsewhere.set_projects(topic, false);
        self.raise(topic, position);
    }

    /// Remembers when a batch was applied; to be told before [`Applied::wrote`], so that who hears of the position learns of it too.
    pub fn projected(&self, batch: Projected) {
        let mut batches = self.batches();
        if batches.len() == BATCHES_MAX {
            batches.pop_front();
        }
        batches.push_back(batch);
    }

    /// The remembered batches beyond `after`.
    #[must_use]
    pub fn batches_beyond(&self, after: &Positions) -> Vec<Projected> {
        let news = |batch: &&Projected| after.get(batch.topic) < Some(batch.to);
        self.batches().iter().filter(news).copied().collect()
    }

    fn batches(&self) -> MutexGuard<'_, VecDeque<Projected>> {
        self.0
            .batches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to where each topic is applied now, as far as this process knows without a look.
    #[must_use]
    pub fn now(&self) -> Positions {
        *self.0.positions.borrow()
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
        let now = self.now();
        if covers(&now, wanted) {
            return Ok(true);
        }
        let mut reachable = Positions::NONE;
        let mut elsewhere = false;
        for (topic, position) in wanted.iter() {
            if now.get(topic) < Some(position) {
                let end = events.last_position(topic).await?;
                reachable.raise(topic, position.min(end));
                elsewhere |= self.0.elsewhere.projects(topic);
            }
        }
        let reached = self.until(|applied| covers(applied, &reachable), elsewhere);
        let reached = tokio::time::timeout(Duration::from_millis(WAIT_MS_MAX), reached).await;
        Ok(reached.is_ok())
    }

    /// Waits until any topic is beyond `after`, at most `wait_max`; answers where they are.
    pub async fn beyond(&self, after: &Positions, wait_max: Duration) -> Positions {
        let moved = |applied: &Positions| {
            applied
                .iter()
                .any(|(topic, position)| after.get(topic) < Some(position))
        };
        let waited = async {
            let elsewhere = Topic::ALL
                .into_iter()
                .any(|topic| self.0.elsewhere.projects(topic));
            // What another process projects is known here as of the last look only: older news would be an answer, but a stale one.
            if elsewhere {
                self.look().await;
            }
            self.until(moved, elsewhere).await;
        };
        // Nothing moved in time: that is an answer too.
        let _ = tokio::time::timeout(wait_max, waited).await;
        self.now()
    }

    /// Waits until the positions fit, looking into the cache from time to time.
    async fn until(&self, fits: impl Fn(&Positions) -> bool, elsewhere: bool) {
        let mut changes = self.0.positions.subscribe();
        let mut pauses = Pauses::new(elsewhere);
        loop {
            let pause = pauses.next();
            let looked = async {
                tokio::time::sleep(pause).await;
                self.look().await;
            };
            tokio::select! {
                biased;
                // It can't fail: the sender lives as long as this borrow.
                _ = changes.wait_for(|positions| fits(positions)) => return,
                () = looked => {}
            }
        }
    }

    async fn look(&self) {
        let Some(found) = self.0.elsewhere.look().await else {
            return;
        };
        let known = self.now();
        for (topic, position) in found.iter() {
            if known.get(topic) < Some(position) {
                self.0.elsewhere.set_projects(topic, true);
                self.raise(topic, position);
            }
        }
    }
}

fn covers(applied: &Positions, wanted: &Positions) -> bool {
    wanted.iter().all(|(topic, position)| {
        position == Position::START || applied.get(topic) >= Some(position)
    })
}
