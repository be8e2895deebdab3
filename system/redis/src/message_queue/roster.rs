//! The living workers of this process. Knows their names and queues, not what they do.

use std::sync::{Mutex, MutexGuard};

use rustc_hash::{FxHashMap, FxHashSet};

use ordershop_contract::message_queue::QueueName;

#[derive(Debug, Default)]
struct RosterTable {
    workers: FxHashMap<String, QueueName>,
    queues: FxHashSet<QueueName>,
}

/// The workers of this process, with their queues.
#[derive(Debug, Default)]
pub(super) struct Roster {
    table: Mutex<RosterTable>,
}

impl Roster {
    fn lock(&self) -> MutexGuard<'_, RosterTable> {
        self.table
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    pub(super) fn enter(&self, worker: &str, queue: QueueName) {
        let mut table = self.lock();
        table.workers.insert(worker.to_owned(), queue);
        table.queues.insert(queue);
    }

    pub(super) fn leave(&self, worker: &str) {
        self.lock().workers.remove(worker);
    }

    pub(super) fn has(&self, worker: &str) -> bool {
        self.lock().workers.contains_key(worker)
    }

    pub(super) fn workers(&self) -> Vec<(String, QueueName)> {
        let table = self.lock();
        table
            .workers
            .iter()
            .map(|(worker, queue)| (worker.clone(), *queue))
            .collect()
    }

    /// Every queue that this process has ever worked on: it recovers their dead workers.
    pub(super) fn queues(&self) -> Vec<QueueName> {
        self.lock().queues.iter().copied().collect()
    }
}
