//! The functions that messages may be sent to: those of the shop, and those that anyone has consumed. A name with a slip in it is
//! refused instead of waiting for a worker for ever.

use std::sync::Mutex;

use rustc_hash::FxHashSet;

use crate::message_queue::QueueName;
use crate::queue_names;

/// See the module.
#[derive(Debug)]
pub(super) struct Functions {
    known: Mutex<FxHashSet<QueueName>>,
}

impl Functions {
    pub(super) fn new() -> Self {
        Self {
            known: Mutex::new(queue_names::all().into_iter().collect()),
        }
    }

    /// Somebody works for it.
    pub(super) fn add(&self, queue: QueueName) {
        self.known
            .lock()
            .expect("nothing panics while it holds this lock")
            .insert(queue);
    }

    /// Why nothing may be sent there, else.
    pub(super) fn check(&self, queue: QueueName) -> Result<(), String> {
        let known = self
            .known
            .lock()
            .expect("nothing panics while it holds this lock");
        if known.contains(&queue) {
            return Ok(());
        }
        Err(format!("nobody has ever consumed {queue}"))
    }
}
