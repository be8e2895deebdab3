//! What one driver notes of the creations that it asks for, as the system's answers are understood.

use std::cell::RefCell;

use crate::record::ledger::{Creations, Ledger, Posted};

/// A driver's ledger, and who knows what answers mean.
pub struct Notes {
    creations: &'static dyn Creations,
    ledger: RefCell<Ledger>,
}

impl Notes {
    /// With nothing noted yet.
    pub fn new(creations: &'static dyn Creations) -> Self {
        Self {
            creations,
            ledger: RefCell::default(),
        }
    }

    /// A POST goes out; none where it creates nothing.
    pub fn sent(&self, path: &str, body: Option<&str>) -> Option<Posted> {
        let posted = self.creations.posted(path, body)?;
        self.ledger.borrow_mut().sent(&posted);
        Some(posted)
    }

    /// Its answer has come.
    pub fn answered(&self, posted: &Posted, status: u16, answer: &[u8]) {
        let created = self.creations.answered(posted, status, answer);
        self.ledger.borrow_mut().answered(posted, created);
    }

    /// It was never sent.
    pub fn refused(&self, posted: &Posted) {
        self.ledger.borrow_mut().refused(posted);
    }

    /// All that was noted.
    pub fn take(&self) -> Ledger {
        self.ledger.take()
    }
}
