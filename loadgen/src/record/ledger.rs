//! What a run asked the target to create, and the answers: an audit compares them with the target's data. Compact: the ids of a
//! kind are one string. Must not know what the kinds are.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Creations by kind: the first segment of the path that they were posted to (`order`, `orders`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    kinds: BTreeMap<String, Writes>,
}

/// A POST that creates entities.
#[derive(Debug, Clone)]
pub struct Posted {
    kind: String,
    /// How many entities an array asks for; `None` for an object.
    elements: Option<u64>,
}

impl Posted {
    /// A POST to `path` with `body`; `None` if that path creates nothing.
    pub fn new(path: &str, body: Option<&str>) -> Option<Self> {
        let path = path.split(['?', '#']).next()?;
        let kind = path.trim_matches('/');
        let creates = !kind.is_empty() && !kind.contains('/');
        creates.then(|| Self {
            kind: kind.to_owned(),
            elements: array_length(body.unwrap_or_default()),
        })
    }

    fn entities(&self) -> u64 {
        self.elements.unwrap_or(1)
    }
}

/// Writes of one kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Writes {
    /// Ids, each followed by a line break.
    accepted: String,
    /// Ids of entities that the target will create later: it answered with a message's id.
    promised: String,
    /// Entities of writes without an answer, or with a 5xx status: each may exist or not.
    indeterminate: u64,
}

/// An answer to a creation: the ids, or a message's id.
#[derive(Deserialize)]
struct Answer {
    result: Created,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Created {
    Ids(Vec<String>),
    Later(String),
}

impl Ledger {
    /// Notes that a POST is being sent: from now on its entities may exist.
    pub fn sent(&mut self, posted: &Posted) {
        self.writes(posted).indeterminate += posted.entities();
    }

    /// Notes the answer to a POST.
    pub fn answered(&mut self, posted: &Posted, status: u16, answer: &[u8]) {
        if status >= 500 {
            // The outcome is unknown: a timeout inside the target, or a lost store.
            return;
        }
        self.refused(posted);
        let answer = serde_json::from_slice(answer).ok();
        let (Some(Answer { result }), 200..300) = (answer, status) else {
            return;
        };
        let writes = self.writes(posted);
        match (result, posted.elements) {
            (Created::Ids(ids), _) => ids.iter().for_each(|id| note(&mut writes.accepted, id)),
            (Created::Later(id), None) => note(&mut writes.promised, &id),
            (Created::Later(id), Some(length)) => {
                (0..length).for_each(|n| note(&mut writes.promised, &format!("{id}-{n}")));
            }
        }
    }

    /// Notes that a POST changed nothing, or was never sent.
    pub fn refused(&mut self, posted: &Posted) {
        let writes = self.writes(posted);
        writes.indeterminate = writes.indeterminate.saturating_sub(posted.entities());
    }

    /// Adds the ledger of another driver of the same run.
    pub fn add(&mut self, other: Self) {
        for (kind, theirs) in other.kinds {
            let mine = self.kinds.entry(kind).or_default();
            mine.accepted.push_str(&theirs.accepted);
            mine.promised.push_str(&theirs.promised);
            mine.indeterminate += theirs.indeterminate;
        }
    }

    fn writes(&mut self, posted: &Posted) -> &mut Writes {
        self.kinds.entry(posted.kind.clone()).or_default()
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
    pub fn promised(&self) -> impl Iterator<Item = &str> {
        self.promised.lines()
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

/// An array's length; `None` for anything else.
fn array_length(body: &str) -> Option<u64> {
    let is_array = body.trim_start().starts_with('[');
    let elements: Vec<serde::de::IgnoredAny> = is_array
        .then(|| serde_json::from_str(body).ok())
        .flatten()?;
    Some(elements.len() as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test fails by panicking
    use super::*;

    fn of<'a>(ledger: &'a Ledger, kind: &str) -> (Vec<&'a str>, Vec<&'a str>, u64) {
        let (_, writes) = ledger.kinds().find(|(known, _)| *known == kind).unwrap();
        (
            writes.accepted().collect(),
            writes.promised().collect(),
            writes.indeterminate(),
        )
    }

    #[test]
    fn answers_are_told_apart_by_what_they_promise() {
        let mut ledger = Ledger::default();
        let mut post = |path: &str, body: &str, answer: Option<(u16, &str)>| {
            let Some(posted) = Posted::new(path, Some(body)) else {
                return;
            };
            ledger.sent(&posted);
            if let Some((status, text)) = answer {
                ledger.answered(&posted, status, text.as_bytes());
            }
        };
        post("/order", "{}", Some((200, r#"{"result":["a"]}"#)));
        post("/order", "{}", Some((409, r#"{"error":"no"}"#)));
        post("/order", "[{},{}]", None);
        post("/order?x=1", "{}", Some((504, "")));
        post("/carts", "{}", Some((202, r#"{"result":"m"}"#)));
        post("/carts", "[{},{}]", Some((202, r#"{"result":"n"}"#)));
        post("/a/b", "{}", Some((200, r#"{"result":["x"]}"#)));
        post("/thing", "", Some((200, "hello")));
        assert_eq!(of(&ledger, "order"), (vec!["a"], vec![], 3));
        assert_eq!(of(&ledger, "carts"), (vec![], vec!["m", "n-0", "n-1"], 0));
        assert_eq!(of(&ledger, "thing"), (vec![], vec![], 0));
        assert_eq!(ledger.kinds().count(), 3);
    }
}
