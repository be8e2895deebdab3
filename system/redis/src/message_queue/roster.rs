//! The workers of this process: those that live, those that left and may still hold messages, and until when queues are looked at for what
//! others left behind. Knows names and queues, not what workers do.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};

use ordershop_contract::message_queue::QueueName;

#[derive(Debug, Default)]
struct RosterTable {
    workers: FxHashMap<String, QueueName>,
    queues: FxHashSet<QueueName>,
    suspicious: FxHashSet<QueueName>,
    /// The workers that have left, and whose messages aren't known to be given back.
    left: FxHashMap<String, (QueueName, Instant)>,
    /// Until when the queues are looked at for what others left behind.
    look_until: Option<Instant>,
}

/// The workers of this process, with their queues.
#[derive(Debug)]
pub(super) struct Roster {
    table: Mutex<RosterTable>,
    /// For how long the queues are looked at once there is a reason.
    look_for: Duration,
}

impl Roster {
    pub(super) fn new(dead_after_ms: u64) -> Self {
        Self {
            table: Mutex::default(),
            look_for: Duration::from_millis(2 * dead_after_ms),
        }
    }

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

    /// Records that a worker has ended; what it held is to be given back.
    pub(super) fn leave(&self, worker: &str) {
        let mut table = self.lock();
        if let Some(queue) = table.workers.remove(worker) {
            table
                .left
                .insert(worker.to_owned(), (queue, Instant::now()));
        }
    }

    /// Records that a worker's messages are given back.
    pub(super) fn given_back(&self, worker: &str) {
        self.lock().left.remove(worker);
    }

    /// When a worker of this process has left that may hold messages.
    pub(super) fn left_at(&self, worker: &str) -> Option<Instant> {
        self.lock().left.get(worker).map(|(_, at)| *at)
    }

    /// The workers of a queue that have left and may hold messages.
    pub(super) fn left(&self, queue: QueueName) -> Vec<String> {
        let table = self.lock();
        let left = table.left.iter().filter(|(_, (of, _))| *of == queue);
        left.map(|(worker, _)| worker.clone()).collect()
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

    /// Records that others may have left something behind: the queues are looked at until whoever did counts as dead, and longer.
    pub(super) fn look_on(&self) {
        self.lock().look_until = Instant::now().checked_add(self.look_for);
    }

    /// Whether somebody may have left something behind.
    pub(super) fn is_to_look(&self) -> bool {
        let table = self.lock();
        let is_looking = |until| Instant::now() < until;
        !table.left.is_empty() || table.look_until.is_some_and(is_looking)
    }

    /// Every queue that this process has ever worked on: it recovers what their dead workers held.
    pub(super) fn queues(&self) -> Vec<QueueName> {
        self.lock().queues.iter().copied().collect()
    }
}
