//! What a run asked the target to create, and what it was answered: to be held against what is there afterwards. Compact: the ids of a
//! kind are one text. Must not know what the kinds are.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What was asked to be created, by the first segment of the path that it was posted to (`order`, `orders`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    kinds: BTreeMap<String, Writes>,
}

/// Writes of one kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Writes {
    /// Ids, each followed by a line's end.
    accepted: String,
    /// Ids that were answered for later: by a message's id alone.
    promised: String,
    /// Entities of writes whose answer never came, or was that nobody knows: each may exist or not.
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
    /// Notes a POST to `path` with `body`, and its answer's status and body; `None` when none came.
    pub fn posted(&mut self, path: &str, body: Option<&str>, answer: Option<(u16, &[u8])>) {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let kind = path.trim_matches('/');
        if kind.is_empty() || kind.contains('/') {
            return;
        }
        let elements = || array_length(body.unwrap_or_default());
        match answer {
            Some((200..300, answer)) => {
                let Ok(Answer { result }) = serde_json::from_slice(answer) else {
                    return;
                };
                let writes = self.kinds.entry(kind.to_owned()).or_default();
                match (result, elements()) {
                    (Created::Ids(ids), _) => {
                        ids.iter().for_each(|id| note(&mut writes.accepted, id))
                    }
                    (Created::Later(id), None) => note(&mut writes.promised, &id),
                    (Created::Later(id), Some(length)) => {
                        (0..length).for_each(|n| note(&mut writes.promised, &format!("{id}-{n}")));
                    }
                }
            }
            // Refused: it changed nothing.
            Some((0..500, _)) => {}
            Some(_) | None => {
                let writes = self.kinds.entry(kind.to_owned()).or_default();
                writes.indeterminate += elements().unwrap_or(1);
            }
        }
    }

    /// Adds another one's writes.
    pub fn add(&mut self, other: Self) {
        for (kind, theirs) in other.kinds {
            let mine = self.kinds.entry(kind).or_default();
            mine.accepted.push_str(&theirs.accepted);
            mine.promised.push_str(&theirs.promised);
            mine.indeterminate += theirs.indeterminate;
        }
    }

    /// Every kind with its writes.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &Writes)> {
        self.kinds
            .iter()
            .map(|(kind, writes)| (kind.as_str(), writes))
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }
}

impl Writes {
    /// Ids of what was answered as created.
    pub fn accepted(&self) -> impl Iterator<Item = &str> {
        self.accepted.lines()
    }

    /// Ids of what was promised to be created, unless it is refused later.
    pub fn promised(&self) -> impl Iterator<Item = &str> {
        self.promised.lines()
    }

    /// How many entities may exist without an answer that says so.
    pub fn indeterminate(&self) -> u64 {
        self.indeterminate
    }
}

fn note(ids: &mut String, id: &str) {
    ids.push_str(id);
    ids.push('\n');
}

/// An array's length; none for anything else.
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
        ledger.posted("/order", Some("{}"), Some((200, br#"{"result":["a"]}"#)));
        ledger.posted("/order", Some("{}"), Some((409, br#"{"error":"no"}"#)));
        ledger.posted("/order", Some("[{},{}]"), None);
        ledger.posted("/order?x=1", Some("{}"), Some((504, b"")));
        ledger.posted("/carts", Some("{}"), Some((202, br#"{"result":"m"}"#)));
        ledger.posted("/carts", Some("[{},{}]"), Some((202, br#"{"result":"n"}"#)));
        ledger.posted("/a/b", Some("{}"), Some((200, br#"{"result":["x"]}"#)));
        ledger.posted("/thing", None, Some((200, b"hello")));
        assert_eq!(of(&ledger, "order"), (vec!["a"], vec![], 3));
        assert_eq!(of(&ledger, "carts"), (vec![], vec!["m", "n-0", "n-1"], 0));
        assert_eq!(ledger.kinds().count(), 2);
        let mut sum = ledger.clone();
        sum.add(ledger);
        assert_eq!(of(&sum, "order"), (vec!["a", "a"], vec![], 6));
    }
}
