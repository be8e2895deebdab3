//! What a run asked the target to create, to change and to remove, and the answers: an audit compares them with the target's data. Compact:
//! the ids of a kind are one string. Must not know what the kinds are.

mod changes;
mod entity_path;
mod seen;

use std::collections::BTreeMap;

pub use changes::{Change, Changes};
pub use entity_path::EntityPath;
pub use seen::{SeenVersions, WentBack};

/// What a run wrote, and what it read that contradicts what it had read before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    /// Creations by kind: the first segment of the path that they were posted to (`order`, `orders`).
    kinds: BTreeMap<String, Writes>,
    /// Changes by kind and id of their entity.
    changes: BTreeMap<String, BTreeMap<String, Changes>>,
    went_back: Vec<WentBack>,
    /// Number of answers whose version was compared.
    pub versions_read: u64,
}

/// A POST that creates entities.
#[derive(Debug, Clone)]
pub struct Posted {
    /// What is created, as the ledger tells it apart.
    pub kind: String,
    /// How many entities an array asks for; `None` for an object.
    pub elements: Option<u64>,
}

impl Posted {
    fn entities(&self) -> u64 {
        self.elements.unwrap_or(1)
    }
}

/// Knows what a system's requests and answers mean.
pub trait Meanings: Send + Sync {
    /// The entity that is read, changed or removed at `path`; none where it names none.
    fn entity(&self, path: &str) -> Option<EntityPath>;

    /// A fingerprint of what a PUT of this body makes of an entity of this kind; none where that can't be told.
    fn content(&self, kind: &str, body: &str) -> Option<u64>;

    /// What a POST to `path` with `body` asks to be created; none where that path creates nothing.
    fn posted(&self, path: &str, body: Option<&str>) -> Option<Posted>;

    /// What the answer says of it.
    fn answered(&self, posted: &Posted, status: u16, answer: &[u8]) -> Created;
}

/// What is known of a creation that was answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// It may have been carried out or not.
    Unknown,
    /// It was not carried out, or the answer does not say what was created.
    Nothing,
    /// These ids exist.
    Accepted(Vec<String>),
    /// These ids will exist, unless they are refused later.
    Deferred(Vec<String>),
}

/// Writes of one kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Writes {
    /// Ids, each followed by a line break.
    accepted: String,
    /// Ids of entities that the target will create later: it answered with a message's id.
    deferred: String,
    /// Entities of writes without an answer, or with a 5xx status: each may exist or not.
    indeterminate: u64,
}

impl Ledger {
    /// Notes that a POST is being sent: from now on its entities may exist.
    pub fn sent(&mut self, posted: &Posted) {
        self.writes(posted).indeterminate += posted.entities();
    }

    /// Notes the answer to a POST.
    pub fn answered(&mut self, posted: &Posted, created: Created) {
        if created == Created::Unknown {
            return;
        }
        self.refused(posted);
        let writes = self.writes(posted);
        match created {
            Created::Accepted(ids) => ids.iter().for_each(|id| note(&mut writes.accepted, id)),
            Created::Deferred(ids) => ids.iter().for_each(|id| note(&mut writes.deferred, id)),
            Created::Unknown | Created::Nothing => {}
        }
    }

    /// Notes that a POST changed nothing, or was never sent.
    pub fn refused(&mut self, posted: &Posted) {
        let writes = self.writes(posted);
        writes.indeterminate = writes.indeterminate.saturating_sub(posted.entities());
    }

    /// Notes that a change is being sent: from now on it may have been carried out.
    pub fn changing(&mut self, entity: &EntityPath, change: &Change) {
        self.changes_of(entity).sent(change);
    }

    /// Notes the status of a change's answer.
    pub fn changed(&mut self, entity: &EntityPath, change: &Change, status: u16) {
        // From 500 on, the outcome is unknown.
        if status < 500 {
            let accepted = (200..300).contains(&status);
            self.changes_of(entity).answered(change, accepted);
        }
    }

    /// Notes that a change was never sent.
    pub fn unsent(&mut self, entity: &EntityPath, change: &Change) {
        self.changes_of(entity).answered(change, false);
    }

    /// Notes the outcome of comparing a version that was read.
    pub fn read(&mut self, went_back: Option<WentBack>) {
        self.versions_read += 1;
        self.went_back.extend(went_back);
    }

    /// Adds the ledger of another driver of the same run.
    pub fn add(&mut self, other: Self) {
        self.versions_read += other.versions_read;
        self.went_back.extend(other.went_back);
        for (kind, entities) in other.changes {
            let mine = self.changes.entry(kind).or_default();
            for (id, theirs) in entities {
                mine.entry(id).or_default().add(theirs);
            }
        }
        for (kind, theirs) in other.kinds {
            let mine = self.kinds.entry(kind).or_default();
            mine.accepted.push_str(&theirs.accepted);
            mine.deferred.push_str(&theirs.deferred);
            mine.indeterminate += theirs.indeterminate;
        }
    }

    fn writes(&mut self, posted: &Posted) -> &mut Writes {
        self.kinds.entry(posted.kind.clone()).or_default()
    }

    fn changes_of(&mut self, entity: &EntityPath) -> &mut Changes {
        let of_kind = self.changes.entry(entity.kind.clone()).or_default();
        of_kind.entry(entity.id.clone()).or_default()
    }

    /// Every changed entity with its changes: kind, id, changes.
    pub fn changes(&self) -> impl Iterator<Item = (&str, &str, &Changes)> {
        self.changes.iter().flat_map(|(kind, entities)| {
            entities
                .iter()
                .map(|(id, changes)| (kind.as_str(), id.as_str(), changes))
        })
    }

    /// The entities that were read in an older version than before.
    pub fn went_back(&self) -> &[WentBack] {
        &self.went_back
    }

    /// Every kind with its writes.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &Writes)> {
        self.kinds
            .iter()
            .map(|(kind, writes)| (kind.as_str(), writes))
    }
}

impl Writes {
    /// Ids of entities that the target answered as created.
    pub fn accepted(&self) -> impl Iterator<Item = &str> {
        self.accepted.lines()
    }

    /// Ids of entities that the target will create later, unless it refuses them.
    pub fn deferred(&self) -> impl Iterator<Item = &str> {
        self.deferred.lines()
    }

    /// How many entities may exist although no answer confirms it.
    pub fn indeterminate(&self) -> u64 {
        self.indeterminate
    }
}

fn note(ids: &mut String, id: &str) {
    ids.push_str(id);
    ids.push('\n');
}
