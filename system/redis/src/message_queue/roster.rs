//! The living workers of this process. Knows their names and queues, not what they do.

use std::sync::{Mutex, MutexGuard};

use rustc_hash::{FxHashMap, FxHashSet};

use ordershop_contract::message_queue::QueueName;

#[derive(Debug, Default)]
struct RosterTable {
    workers: FxHashMap<String, QueueName>,
    queues: FxHashSet<QueueName>,
    suspicious: FxHashSet<QueueName>,
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

    /// The workers of each queue.
    pub(super) fn workers(&self) -> FxHashMap<QueueName, Vec<String>> {
        let mut by_queue = FxHashMap::default();
        for (worker, queue) in &self.lock().workers {
            let workers: &mut Vec<String> = by_queue.entry(*queue).or_default();
            workers.push(worker.clone());
        }
        by_queue
    }

    /// Records that a queue has messages that several workers died of.
    pub(super) fn add_suspicion(&self, queue: QueueName) {
        self.lock().suspicious.insert(queue);
    }

    /// Whether a queue has such messages, as far as was recorded since the last question.
    pub(super) fn take_suspicion(&self, queue: QueueName) -> bool {
        self.lock().suspicious.remove(&queue)
    }

    /// Every queue that this process has ever worked on: it recovers their dead workers.
    pub(super) fn queues(&self) -> Vec<QueueName> {
        self.lock().queues.iter().copied().collect()
    }
}
