//! What a run asked the target to create, to change and to remove, and the answers: an audit compares them with the target's data. Compact:
//! the ids of a kind are one string. Must not know what the kinds are.

mod changes;
mod entity_path;
mod seen;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use changes::{Change, Changes, Decided};
pub use entity_path::EntityPath;
pub use seen::{SeenVersions, WentBack};

use crate::pairs;

/// What a run wrote, and what it read that contradicts what it had read before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// The `Idempotency-Key` that the scenario gave it. A key made for one request needs no look: nothing else has it.
    pub key: Option<String>,
    /// The trace that it belongs to (`traceparent`).
    pub trace: Option<u128>,
}

impl Posted {
    /// A POST without a key and a trace.
    #[must_use]
    pub fn new(kind: &str, elements: Option<u64>) -> Self {
        Self {
            kind: kind.to_owned(),
            elements,
            key: None,
            trace: None,
        }
    }

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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Writes {
    /// Ids, each followed by a line break.
    accepted: String,
    /// Ids of entities that the target will create later: it answered with a message's id.
    deferred: String,
    /// Entities of writes without an answer, or with a 5xx status, by the trace of the request: each may exist or not.
    #[serde(with = "pairs")]
    indeterminate: BTreeMap<Option<u128>, u64>,
    /// The ids in the answers to each key, as often as they differ.
    keys: BTreeMap<String, BTreeSet<Vec<String>>>,
}

impl Ledger {
    /// Notes that a POST is being sent: from now on its entities may exist.
    pub fn sent(&mut self, posted: &Posted) {
        let open = &mut self.writes(posted).indeterminate;
        *open.entry(posted.trace).or_default() += posted.entities();
    }

    /// Notes the answer to a POST.
    pub fn answered(&mut self, posted: &Posted, created: Created) {
        if created == Created::Unknown {
            return;
        }
        self.refused(posted);
        let writes = self.writes(posted);
        let (ids, noted) = match created {
            Created::Accepted(ids) => (ids, &mut writes.accepted),
            Created::Deferred(ids) => (ids, &mut writes.deferred),
            Created::Unknown | Created::Nothing => return,
        };
        ids.iter().for_each(|id| note(noted, id));
        if let Some(key) = &posted.key {
            writes.keys.entry(key.clone()).or_default().insert(ids);
        }
    }

    /// Notes that a POST changed nothing, or was never sent.
    pub fn refused(&mut self, posted: &Posted) {
        let open = &mut self.writes(posted).indeterminate;
        if let Some(entities) = open.get_mut(&posted.trace) {
            *entities = entities.saturating_sub(posted.entities());
            if *entities == 0 {
                open.remove(&posted.trace);
            }
        }
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
            for (trace, entities) in theirs.indeterminate {
                *mine.indeterminate.entry(trace).or_default() += entities;
            }
            for (key, answers) in theirs.keys {
                mine.keys.entry(key).or_default().extend(answers);
            }
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

    /// How many entities may exist although no answer confirms it, by the trace of their request.
    pub fn indeterminate(&self) -> impl Iterator<Item = (Option<u128>, u64)> {
        let open = self.indeterminate.iter();
        open.map(|(trace, entities)| (*trace, *entities))
    }

    /// The ids in the answers to each key of the scenario, as often as they differ.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &BTreeSet<Vec<String>>)> {
        self.keys.iter().map(|(key, ids)| (key.as_str(), ids))
    }
}

fn note(ids: &mut String, id: &str) {
    ids.push_str(id);
    ids.push('\n');
}
