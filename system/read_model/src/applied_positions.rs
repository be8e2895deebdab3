//! How far the partitions are applied to the cache, and waiting for positions. A position falls only if Redis went back. Knows positions, not the
//! data at them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::watch;

use super::store::ReadStore;
use ordershop_contract::event_store::{EventStore, EventStoreError};
use ordershop_contract::partition::Partition;
use ordershop_contract::position::{Position, Positions};
use ordershop_redis::applied::AppliedWatch;

/// How long other processes' projections are listened to at once.
const LISTEN: Duration = Duration::from_secs(1);

/// The position up to which each partition is applied. This process's projections raise it; where another process projects, what Redis tells of
/// it does while a query waits.
#[derive(Clone)]
pub struct AppliedPositions(Arc<Inner>);

struct Inner {
    store: ReadStore,
    /// What other processes write to the cache.
    told: AppliedWatch,
    /// The partitions that another process may project: the last position came from there, none came yet, or one was late.
    elsewhere: Vec<AtomicBool>,
}

impl AppliedPositions {
    /// Starts with no position known but those of `store`; `told` is what other processes write.
    #[must_use]
    pub fn new(store: ReadStore, told: AppliedWatch) -> Self {
        let all = store.partitions().all();
        Self(Arc::new(Inner {
            store,
            told,
            elsewhere: all.map(|_| AtomicBool::new(true)).collect(),
        }))
    }

    fn set_elsewhere(&self, partition: Partition, elsewhere: bool) {
        if let Some(known) = self.0.elsewhere.get(partition.index()) {
            known.store(elsewhere, Ordering::Relaxed);
        }
    }

    /// Records that another process has written a partition up to `position`.
    fn advance(&self, partition: Partition, position: Position) {
        raise(self.0.store.written(), partition, position);
        raise(self.0.store.applied(), partition, position);
    }

    /// Records the position of a partition as the cache has it now, and that nothing beyond it is applied here. A position below the one that was
    /// known to be written (`known`) before it was read shows that Redis went back.
    pub(super) fn found(&self, partition: Partition, position: Position, known: &Positions) {
        let written = self.0.store.written();
        let mut present = position;
        if position >= known.get(partition).unwrap_or_default() {
            raise(written, partition, position);
            present = written.borrow().get(partition).unwrap_or_default();
        } else {
            written.send_modify(|positions| positions.set(partition, position));
        }
        self.0.store.set_applied(partition, present);
    }

    /// The positions that are known to be written.
    pub(super) fn written(&self) -> Positions {
        self.0.store.written().borrow().clone()
    }

    /// Records that this process has applied a partition up to `position`.
    pub(super) fn applied_here(&self, partition: impl Into<Partition>, position: Position) {
        let partition = partition.into();
        self.set_elsewhere(partition, false);
        raise(self.0.store.applied(), partition, position);
    }

    /// Records that this process has written a partition up to `position`.
    pub(super) fn written_here(&self, partition: Partition, position: Position) {
        raise(self.0.store.written(), partition, position);
    }

    /// The position up to which each partition is applied, as far as this process knows without reading the cache.
    #[must_use]
    pub fn now(&self) -> Positions {
        self.0.store.applied().borrow().clone()
    }

    /// Waits until `wanted` is applied, at most `wait_max`; returns the partitions that are still behind. A position beyond its stream's end counts
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
    ) -> Result<Vec<Partition>, EventStoreError> {
        // All at once: they share a round trip.
        let asked = self.missing(wanted).map(async |(partition, position)| {
            let end = events.last_position(partition).await?;
            Ok::<_, EventStoreError>((partition, end.min(position)))
        });
        let mut ends = Positions::NONE;
        for (partition, end) in try_join_all(asked).await? {
            ends.raise(partition, end);
        }
        // What isn't reached in time is behind.
        let _ = tokio::time::timeout(wait_max, self.come(&ends)).await;
        let missing = self.missing(&ends).map(|(partition, _)| partition);
        let behind: Vec<Partition> = missing.collect();
        for partition in &behind {
            self.set_elsewhere(*partition, true);
        }
        Ok(behind)
    }

    /// Waits until `wanted` is applied; listens to other processes if one may project a partition of it.
    async fn come(&self, wanted: &Positions) {
        let mut changes = self.0.store.applied().subscribe();
        let elsewhere = |(partition, _): (Partition, Position)| {
            let known = self.0.elsewhere.get(partition.index());
            known.is_some_and(|known| known.load(Ordering::Relaxed))
        };
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
        let now = self.now();
        for (partition, position) in told.iter() {
            if now.get(partition) < Some(position) {
                self.set_elsewhere(partition, true);
                self.advance(partition, position);
            }
        }
    }

    /// What of `wanted` isn't applied yet, as far as this process knows.
    pub fn missing(
        &self,
        wanted: &Positions,
    ) -> impl Iterator<Item = (Partition, Position)> + use<> {
        let now = self.0.store.applied().borrow();
        let missing = wanted.iter().filter(|asked| lacks(&now, *asked));
        missing.collect::<Vec<_>>().into_iter()
    }
}

fn raise(positions: &watch::Sender<Positions>, partition: Partition, position: Position) {
    positions.send_if_modified(|positions| {
        let before = positions.get(partition);
        positions.raise(partition, position);
        before != positions.get(partition)
    });
}

fn lacks(applied: &Positions, (partition, position): (Partition, Position)) -> bool {
    position != Position::START && applied.get(partition) < Some(position)
}
