//! How far the topics are applied to the cache, and waiting for positions. A position falls only if Redis went back. Knows positions, not the
//! data at them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::watch;

use super::store::ReadStore;
use ordershop_contract::event_store::{EventStore, EventStoreError};
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;
use ordershop_redis::applied::AppliedWatch;

/// How long other processes' projections are listened to at once.
const LISTEN: Duration = Duration::from_secs(1);

/// The position up to which each topic is applied. This process's projections raise it; where another process projects, what Redis tells of
/// it does while a query waits.
#[derive(Clone)]
pub struct AppliedPositions(Arc<Inner>);

struct Inner {
    store: ReadStore,
    /// What other processes write to the cache.
    told: AppliedWatch,
    /// By topic: whether another process may project it: the last position came from there, none came yet, or one was late.
    elsewhere: [AtomicBool; Topic::ALL.len()],
}

impl AppliedPositions {
    /// Starts with no position known but those of `store`; `told` is what other processes write.
    #[must_use]
    pub fn new(store: ReadStore, told: AppliedWatch) -> Self {
        Self(Arc::new(Inner {
            store,
            told,
            elsewhere: [const { AtomicBool::new(true) }; Topic::ALL.len()],
        }))
    }

    fn set_elsewhere(&self, topic: Topic, elsewhere: bool) {
        self.0.elsewhere[topic.index()].store(elsewhere, Ordering::Relaxed);
    }

    /// Records that another process has written `topic` up to `position`.
    fn advance(&self, topic: Topic, position: Position) {
        raise(self.0.store.written(), topic, position);
        raise(self.0.store.applied(), topic, position);
    }

    /// Records the position of `topic` as the cache has it now, and that nothing beyond it is applied here. A position below the one that was
    /// known to be written (`known`) before it was read shows that Redis went back.
    pub(super) fn found(&self, topic: Topic, position: Position, known: &Positions) {
        let written = self.0.store.written();
        let mut present = position;
        if position >= known.get(topic).unwrap_or_default() {
            raise(written, topic, position);
            present = written.borrow().get(topic).unwrap_or_default();
        } else {
            written.send_modify(|positions| positions.set(topic, position));
        }
        self.0.store.set_applied(topic, present);
    }

    /// The positions that are known to be written.
    pub(super) fn written(&self) -> Positions {
        *self.0.store.written().borrow()
    }

    /// Records that this process has applied `topic` up to `position`.
    pub(super) fn applied_here(&self, topic: Topic, position: Position) {
        self.set_elsewhere(topic, false);
        raise(self.0.store.applied(), topic, position);
    }

    /// Records that this process has written `topic` up to `position`.
    pub(super) fn written_here(&self, topic: Topic, position: Position) {
        raise(self.0.store.written(), topic, position);
    }

    /// The position up to which each topic is applied, as far as this process knows without reading the cache.
    #[must_use]
    pub fn now(&self) -> Positions {
        *self.0.store.applied().borrow()
    }

    /// Waits until `wanted` is applied, at most `wait_max`; returns the topics that are still behind. A position beyond its stream's end counts
    /// as the present end: stream ids are times, so the caller means *everything up to that time*, and no event can be written before it any
    /// more. What is asked of Redis first is no part of `wait_max`: where its answers take longer, no query would ever be answered.
    ///
    /// # Errors
    /// The event store can't return the streams' ends.
    pub async fn wait(
        &self,
        wanted: &Positions,
        wait_max: Duration,
        events: &dyn EventStore,
    ) -> Result<Vec<Topic>, EventStoreError> {
        // All at once: they share a round trip.
        let asked = self.missing(wanted).map(async |(topic, position)| {
            let end = events.last_position(topic).await?;
            Ok::<_, EventStoreError>((topic, end.min(position)))
        });
        let mut ends = Positions::NONE;
        for (topic, end) in try_join_all(asked).await? {
            ends.raise(topic, end);
        }
        // What isn't reached in time is behind.
        let _ = tokio::time::timeout(wait_max, self.come(&ends)).await;
        let behind: Vec<Topic> = self.missing(&ends).map(|(topic, _)| topic).collect();
        for topic in &behind {
            self.set_elsewhere(*topic, true);
        }
        Ok(behind)
    }

    /// Waits until `wanted` is applied; listens to other processes if one may project a topic of it.
    async fn come(&self, wanted: &Positions) {
        let mut changes = self.0.store.applied().subscribe();
        let elsewhere =
            |(topic, _): (Topic, Position)| self.0.elsewhere[topic.index()].load(Ordering::Relaxed);
        let listens = self.missing(wanted).any(elsewhere);
        let listening = async {
            loop {
                if let Some(told) = self.0.told.beyond(&self.now(), LISTEN).await {
                    self.hear(&told.positions);
                }
            }
        };
        tokio::select! {
            biased;
            // It can't fail: the sender lives as long as this borrow.
            _ = changes.wait_for(|applied| wanted.iter().all(|asked| !lacks(applied, asked))) => {}
            () = listening, if listens => {}
        }
    }

    /// Records positions that other processes may have written.
    fn hear(&self, told: &Positions) {
        for (topic, position) in told.iter() {
            if self.now().get(topic) < Some(position) {
                self.set_elsewhere(topic, true);
                self.advance(topic, position);
            }
        }
    }

    /// What of `wanted` isn't applied yet, as far as this process knows.
    pub fn missing(&self, wanted: &Positions) -> impl Iterator<Item = (Topic, Position)> + use<> {
        let now = self.now();
        wanted
            .iter()
            .filter(|asked| lacks(&now, *asked))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

fn raise(positions: &watch::Sender<Positions>, topic: Topic, position: Position) {
    positions.send_if_modified(|positions| {
        let before = *positions;
        positions.raise(topic, position);
        before != *positions
    });
}

fn lacks(applied: &Positions, (topic, position): (Topic, Position)) -> bool {
    position != Position::START && applied.get(topic) < Some(position)
}
