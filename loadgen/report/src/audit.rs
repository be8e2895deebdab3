//! The outcome of an audit: its checks, and the items that failed them.

use serde::{Deserialize, Serialize};

/// The outcome of an audit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AuditReport {
    /// Why the target can't be audited: it lacks the HTTP interface for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_possible: Option<String>,
    /// Why the audit failed on a target that has the interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// Seconds until nothing was in flight, or until the limit.
    pub drain_s: f64,
    /// Seconds for reading and checking.
    pub audit_s: f64,
    /// Number of events read.
    pub events: u64,
    /// Number of entities and mails read from the lists.
    pub entities: u64,
    /// The checks, in the order in which they ran.
    pub checks: Vec<CheckReport>,
}

impl AuditReport {
    /// Why the target fails; empty if every check passed.
    pub fn reasons(&self) -> Vec<String> {
        let fell = self.checks.iter().filter(|check| check.fell > 0);
        let broken = self.broken.iter();
        let broken = broken.map(|problem| format!("audit: could not be carried out: {problem}"));
        broken.chain(fell.map(CheckReport::line)).collect()
    }
}

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
