//! The changes of one entity that a run asked for.

use serde::{Deserialize, Serialize};

/// A PUT or a DELETE of one entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What it makes of the entity; `None` if that can't be told, and for a removal.
    pub content: Option<u64>,
    /// Whether it removes the entity.
    pub removes: bool,
    /// The version in the header `If-Match`.
    pub if_match: Option<u64>,
}

/// How often something was asked for, by what is known of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// The target answered that it was carried out.
    pub accepted: u32,
    /// No answer, or a 5xx status: it may have been carried out or not.
    pub unknown: u32,
}

/// A change that was answered as done, and named the version that it was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The version in the header `If-Match`.
    pub on: u64,
    /// The change.
    pub change: Change,
}

/// The changes of one entity; those that were refused leave no trace in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// Of PUT.
    pub puts: Outcomes,
    /// Of DELETE.
    pub removals: Outcomes,
    /// What accepted PUTs made of it.
    pub contents: Vec<u64>,
    /// What PUTs without an answer may have made of it.
    pub open: Vec<u64>,
    /// The accepted changes that named a version.
    pub decided: Vec<Decided>,
}

impl Changes {
    fn outcomes(&mut self, change: &Change) -> &mut Outcomes {
        match change.removes {
            true => &mut self.removals,
            false => &mut self.puts,
        }
    }

    pub(super) fn sent(&mut self, change: &Change) {
        self.outcomes(change).unknown += 1;
        self.open.extend(change.content);
    }

    pub(super) fn answered(&mut self, change: &Change, accepted: bool) {
        let outcomes = self.outcomes(change);
        outcomes.unknown = outcomes.unknown.saturating_sub(1);
        outcomes.accepted += u32::from(accepted);
        let mut open = self.open.iter();
        if let Some(at) = open.position(|open| Some(*open) == change.content) {
            self.open.swap_remove(at);
        }
        if accepted {
            self.contents.extend(change.content);
            let change = *change;
            self.decided
                .extend(change.if_match.map(|on| Decided { on, change }));
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        for (mine, theirs) in [
            (&mut self.puts, other.puts),
            (&mut self.removals, other.removals),
        ] {
            mine.accepted += theirs.accepted;
            mine.unknown += theirs.unknown;
        }
        self.contents.extend(other.contents);
        self.open.extend(other.open);
        self.decided.extend(other.decided);
    }
}
