//! How far the topics are applied to the cache, and waiting for positions. A position falls only if Redis went back. Knows positions, not the
//! data at them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::other_projectors::{OtherProjectors, ReadPauses};
use super::store::ReadStore;
use ordershop_contract::event_store::{EventStore, EventStoreError};
use ordershop_contract::position::{Position, Positions, Projected};
use ordershop_contract::topic::Topic;

/// Maximum batches with events of sampled requests that are remembered: more than are applied between two queries.
const BATCHES_MAX: usize = 256;

/// The position up to which each topic is applied. This process's projections raise it; where another process projects, reads of the cache
/// do while a query waits.
#[derive(Clone)]
pub struct AppliedPositions(Arc<Inner>);

struct Inner {
    positions: watch::Sender<Positions>,
    /// The latest batches with events of sampled requests.
    batches: Mutex<VecDeque<Projected>>,
    elsewhere: OtherProjectors,
}

impl AppliedPositions {
    /// Starts with no position known; `store` shows what other processes apply.
    #[must_use]
    pub fn new(store: ReadStore) -> Self {
        Self(Arc::new(Inner {
            positions: store.known().clone(),
            batches: Mutex::default(),
            elsewhere: OtherProjectors::new(store),
        }))
    }

    /// Records that `topic` is applied up to `position`, by any process.
    pub fn advance(&self, topic: Topic, position: Position) {
        self.0.positions.send_if_modified(|positions| {
            let before = *positions;
            positions.raise(topic, position);
            before != *positions
        });
    }

    /// Records the position of `topic` as Redis has it now. One below that which was `known` before it was read shows that Redis went back.
    pub fn found(&self, topic: Topic, position: Position, known: &Positions) {
        if position >= known.get(topic).unwrap_or_default() {
            return self.advance(topic, position);
        }
        self.0
            .positions
            .send_modify(|positions| positions.set(topic, position));
    }

    /// Whether Redis went back behind a position that was known.
    pub(super) fn fell_below(&self, before: &Positions) -> bool {
        let now = self.now();
        before
            .iter()
            .any(|(topic, position)| now.get(topic) < Some(position))
    }

    /// Records that this process has applied `topic` up to `position`.
    pub fn applied_here(&self, topic: Topic, position: Position) {
        self.0.elsewhere.set_projects(topic, false);
        self.advance(topic, position);
    }

    /// Remembers when a batch was applied. Call it before [`AppliedPositions::applied_here`], so that a query that sees the position also sees the batch.
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

    /// The position up to which each topic is applied, as far as this process knows without reading the cache.
    #[must_use]
    pub fn now(&self) -> Positions {
        *self.0.positions.borrow()
    }

    /// Waits until `wanted` is applied, at most `wait_max`; returns the topics that are still behind. A position beyond its stream's end counts
    /// as the present end: stream ids are times, so the caller means *everything up to that time*, and no event can be written before it any
    /// more.
    ///
    /// # Errors
    /// The event store can't return the streams' ends.
    pub async fn wait(
        &self,
        wanted: &Positions,
        wait_max: Duration,
        events: &dyn EventStore,
    ) -> Result<Vec<Topic>, EventStoreError> {
        let missing: Vec<(Topic, Position)> = self.missing(wanted).collect();
        let mut reachable = *wanted;
        let reached = async {
            let mut ends = Positions::NONE;
            let mut elsewhere = false;
            for (topic, position) in &missing {
                let end = events.last_position(*topic).await?;
                ends.raise(*topic, end.min(*position));
                elsewhere |= self.0.elsewhere.projects(*topic);
            }
            reachable = ends;
            self.until(|applied| covers(applied, &ends), elsewhere)
                .await;
            Ok(())
        };
        if let Ok(reached) = tokio::time::timeout(wait_max, reached).await {
            return reached.map(|()| Vec::new());
        }
        let now = self.now();
        let topics = missing.into_iter().map(|(topic, _)| topic);
        Ok(topics
            .filter(|topic| now.get(*topic) < reachable.get(*topic))
            .collect())
    }

    /// What of `wanted` isn't applied yet, as far as this process knows.
    pub fn missing(&self, wanted: &Positions) -> impl Iterator<Item = (Topic, Position)> + use<> {
        let now = self.now();
        let missing = |(topic, position): &(Topic, Position)| {
            *position != Position::START && now.get(*topic) < Some(*position)
        };
        wanted
            .iter()
            .filter(missing)
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Waits until any topic is beyond `after`, at most `wait_max`; returns the positions.
    pub async fn wait_beyond(&self, after: &Positions, wait_max: Duration) -> Positions {
        let moved = |applied: &Positions| {
            applied
                .iter()
                .any(|(topic, position)| after.get(topic) < Some(position))
        };
        let waited = async {
            let elsewhere = Topic::ALL
                .into_iter()
                .any(|topic| self.0.elsewhere.projects(topic));
            // Positions of another process's projections are known only as of the last read of the cache. They would answer the query, but
            // could be stale.
            if elsewhere {
                self.look().await;
            }
            self.until(moved, elsewhere).await;
        };
        // No position moved in time: the present positions are the answer.
        let _ = tokio::time::timeout(wait_max, waited).await;
        self.now()
    }

    /// Waits until the positions fit; reads the cache from time to time.
    async fn until(&self, fits: impl Fn(&Positions) -> bool, elsewhere: bool) {
        let mut changes = self.0.positions.subscribe();
        let mut pauses = ReadPauses::new(elsewhere);
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
        let before = self.now();
        let Some(found) = self.0.elsewhere.look().await else {
            return;
        };
        let known = self.now();
        for topic in Topic::ALL {
            let position = found.get(topic).unwrap_or_default();
            if known.get(topic).unwrap_or_default() < position {
                self.0.elsewhere.set_projects(topic, true);
                self.advance(topic, position);
            } else {
                self.found(topic, position, &before);
            }
        }
    }
}

fn covers(applied: &Positions, wanted: &Positions) -> bool {
    wanted.iter().all(|(topic, position)| {
        position == Position::START || applied.get(topic) >= Some(position)
    })
}
