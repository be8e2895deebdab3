//! The outcome of a check: how many items it checked, how many failed, and the first of those by id with a reason.

use serde::{Deserialize, Serialize};

/// Offenders that are named; further ones are only counted.
const OFFENDERS_MAX: usize = 10;

/// The outcome of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The check's name.
    pub name: String,
    /// The kind of items it checks, in the plural.
    pub of: String,
    /// Number of items checked.
    pub checked: u64,
    /// Number of items that failed.
    pub fell: u64,
    /// The first items that failed.
    pub offenders: Vec<Offender>,
    /// Why the check, or a part of it, was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// An item that failed a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offender {
    /// The item's id.
    pub id: String,
    /// What is wrong with the item.
    pub reason: String,
}

impl CheckReport {
    /// A check that has checked nothing yet.
    pub fn new(name: &str, of: &str) -> Self {
        Self {
            name: name.to_owned(),
            of: of.to_owned(),
            checked: 0,
            fell: 0,
            offenders: Vec::new(),
            skipped: None,
        }
    }

    /// Records an item that failed, without counting it as checked.
    pub fn fell(&mut self, id: impl Into<String>, reason: impl Into<String>) {
        self.fell += 1;
        if self.offenders.len() < OFFENDERS_MAX {
            self.offenders.push(Offender {
                id: id.into(),
                reason: reason.into(),
            });
        }
    }

    /// Records an item that was checked; `outcome` says what is wrong with it.
    pub fn look(&mut self, id: &str, outcome: Option<String>) {
        self.checked += 1;
        if let Some(reason) = outcome {
            self.fell(id, reason);
        }
    }

    /// The outcome in one line, for a verdict: the numbers and the first offender.
    pub fn line(&self) -> String {
        let first = self.offenders.first();
        let first = first.map_or_else(String::new, |o| format!("; first {}: {}", o.id, o.reason));
        format!(
            "audit {}: {} of {} {} failed{first}",
            self.name, self.fell, self.checked, self.of
        )
    }
}
