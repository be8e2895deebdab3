//! What this process's projections have applied and not yet written to the cache. Readers see it over the cache, so that events need not be
//! written one by one to be visible. It is lost with the process: the position in the cache says from where the events are applied again.

use std::array;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::keys::{Collection, id_of_member, index_prefix};
use super::projection::Projection;
use ordershop_contract::topic::Topic;

/// The unwritten changes of each topic.
#[derive(Debug)]
pub(super) struct Overlay([Mutex<Projection>; Topic::ALL.len()]);

impl Default for Overlay {
    fn default() -> Self {
        Self(array::from_fn(|_| Mutex::default()))
    }
}

impl Overlay {
    /// A topic's unwritten changes.
    pub(super) fn of(&self, topic: Topic) -> MutexGuard<'_, Projection> {
        // A panic elsewhere leaves whole entries.
        self.0[topic.index()]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// For each id the unwritten entry as `version|JSON`; `Some(None)` if it is deleted, `None` if the cache has the present state.
    pub(super) fn entries<S: AsRef<str>>(
        &self,
        collection: Collection,
        ids: &[S],
    ) -> Vec<Option<Option<String>>> {
        let changes = self.of(collection.topic());
        let entry = |id: &str| match collection {
            Collection::Entities(_) => changes.entities.get(id).cloned(),
            Collection::Reservations => changes.reservations.get(id).cloned(),
        };
        ids.iter().map(|id| entry(id.as_ref())).collect()
    }

    /// The ids of a topic's entities whose indexed field has got a value by an unwritten change.
    pub(super) fn ids_with(&self, topic: Topic, field: &str, value: &str) -> Vec<String> {
        let changes = self.of(topic);
        let prefix = index_prefix(value);
        let added = changes.members.iter().filter(|(_, there)| **there);
        added
            .filter(|((name, member), _)| *name == field && member.starts_with(&prefix))
            .filter_map(|((_, member), _)| id_of_member(member))
            .map(str::to_owned)
            .collect()
    }
}
