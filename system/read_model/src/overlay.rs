//! What this process's projections have applied and not yet written to the cache. Readers see it over the cache, so that events need not be
//! written one by one to be visible. It is lost with the process: the position in the cache says from where the events are applied again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::keys::{Collection, id_of_member, index_prefix};
use super::projection::Projection;
use ordershop_contract::partition::{Partition, Partitions};

/// The unwritten changes of each partition, by [`Partition::index`].
#[derive(Debug)]
pub(super) struct Overlay(Vec<Mutex<Projection>>);

impl Overlay {
    /// Without any changes.
    pub(super) fn new(partitions: Partitions) -> Self {
        Self(partitions.all().map(|_| Mutex::default()).collect())
    }

    /// A partition's unwritten changes.
    pub(super) fn of(&self, partition: impl Into<Partition>) -> MutexGuard<'_, Projection> {
        // A panic elsewhere leaves whole entries.
        self.0[partition.into().index()]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The unwritten entry of an id as `version|JSON`; `Some(None)` if it is deleted, `None` if the cache has the present state.
    pub(super) fn entry(
        &self,
        collection: Collection,
        partition: Partition,
        id: &str,
    ) -> Option<Option<String>> {
        let changes = self.of(partition);
        match collection {
            Collection::Entities(_) => changes.entities.get(id).cloned(),
            Collection::Reservations(_) => changes.reservations.get(id).cloned(),
        }
    }

    /// The ids of a partition's entities whose indexed field has got a value by an unwritten change.
    pub(super) fn ids_with(&self, partition: Partition, field: &str, value: &str) -> Vec<String> {
        let changes = self.of(partition);
        let prefix = index_prefix(value);
        let added = changes.members.iter().filter(|(_, there)| **there);
        added
            .filter(|((name, member), _)| *name == field && member.starts_with(&prefix))
            .filter_map(|((_, member), _)| id_of_member(member))
            .map(str::to_owned)
            .collect()
    }
}
