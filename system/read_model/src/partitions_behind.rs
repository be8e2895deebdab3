//! The partitions whose projection was found to be behind a moment ago. Queries that ask for a later position of one of them don't wait where
//! they would delay others. Knows partitions and times, no positions.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ordershop_contract::partition::Partition;

/// How long a partition counts as behind; then one batch of queries waits for it again.
const REMEMBERED: Duration = Duration::from_secs(1);

/// The partitions that are behind.
#[derive(Debug, Default)]
pub(super) struct PartitionsBehind(Mutex<Vec<(Partition, Instant)>>);

impl PartitionsBehind {
    /// Records partitions that were not applied in time.
    pub(super) fn found(&self, partitions: impl Iterator<Item = Partition>, now: Instant) {
        let mut behind = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        behind.retain(|(_, until)| *until > now);
        behind.extend(partitions.map(|partition| (partition, now + REMEMBERED)));
    }

    /// Whether one of the partitions was found to be behind less than a second ago.
    pub(super) fn has(
        &self,
        mut partitions: impl Iterator<Item = Partition>,
        now: Instant,
    ) -> bool {
        let behind = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        partitions.any(|partition| {
            let mut found = behind.iter();
            found.any(|(other, until)| *other == partition && *until > now)
        })
    }
}
