//! What an audit of a target has found: its checks, and what fell through them.

use serde::{Deserialize, Serialize};

/// What an audit has found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AuditReport {
    /// Why there was none: the target hasn't the surface for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_possible: Option<String>,
    /// Why it could not be carried out on a target that has the surface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// Until nothing was in flight any more, or the limit.
    pub drain_s: f64,
    /// Reading and checking.
    pub audit_s: f64,
    /// Events read.
    pub events: u64,
    /// Entities and mails read from the lists.
    pub entities: u64,
    /// In their order.
    pub checks: Vec<CheckReport>,
}

impl AuditReport {
    /// Why the target fails; empty when everything holds.
    pub fn reasons(&self) -> Vec<String> {
        let fell = self.checks.iter().filter(|check| check.fell > 0);
        let broken = self.broken.iter();
        let broken = broken.map(|problem| format!("audit: it could not be carried out: {problem}"));
        broken.chain(fell.map(CheckReport::line)).collect()
    }
}

/// Offenders named; further ones are counted alone.
const OFFENDERS_MAX: usize = 10;

/// One check's outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Its name.
    pub name: String,
    /// What it counts.
    pub of: String,
    /// How many it looked at.
    pub checked: u64,
    /// How many fell.
    pub fell: u64,
    /// The first of those.
    pub offenders: Vec<Offender>,
    /// Why it, or a part of it, was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offender {
    /// Which.
    pub id: String,
    /// What is wrong with it.
    pub reason: String,
}

impl CheckReport {
    /// A check that has looked at nothing yet.
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

    /// One fell.
    pub fn fell(&mut self, id: impl Into<String>, reason: impl Into<String>) {
        self.fell += 1;
        if self.offenders.len() < OFFENDERS_MAX {
            self.offenders.push(Offender {
                id: id.into(),
                reason: reason.into(),
            });
        }
    }

    /// Looked at one; `outcome` is what is wrong with it.
    pub fn look(&mut self, id: &str, outcome: Option<String>) {
        self.checked += 1;
        if let Some(reason) = outcome {
            self.fell(id, reason);
        }
    }

    /// In a line, for a verdict: the numbers and the first offender.
    pub fn line(&self) -> String {
        let first = self.offenders.first();
        let first = first.map_or_else(String::new, |o| format!("; first {}: {}", o.id, o.reason));
        format!(
            "audit {}: {} of {} {} fell{first}",
            self.name, self.fell, self.checked, self.of
        )
    }
}
