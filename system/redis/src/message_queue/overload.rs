//! The queues that are too long for new messages. Learns each queue's length from the replies to pushes; sends no queries.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::config::QueueConfig;
use ordershop_contract::message_queue::{QueueError, QueueName};

/// The queues that were found too long recently.
#[derive(Debug)]
pub(super) struct Overload {
    depth_max: u64,
    refuse_for: Duration,
    /// The number of queues in the table, so that the usual case takes no lock.
    count: AtomicUsize,
    table: Mutex<FxHashMap<QueueName, (u64, Instant)>>,
}

impl Overload {
    pub(super) fn new(config: &QueueConfig) -> Self {
        Self {
            depth_max: config.depth_max,
            refuse_for: Duration::from_millis(config.overload_ms),
            count: AtomicUsize::new(0),
            table: Mutex::default(),
        }
    }

    /// Records the queue's length after a push.
    pub(super) fn seen(&self, queue: QueueName, depth: u64) {
        if depth <= self.depth_max && self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut table = self
            .table
            .lock()
            .expect("nothing panics while it holds this lock");
        if depth > self.depth_max {
            table.insert(queue, (depth, Instant::now() + self.refuse_for));
        } else {
            table.remove(&queue);
        }
        self.count.store(table.len(), Ordering::Relaxed);
    }

    /// Refuses a queue that was found too long less than `overload_ms` ago; after that the next push checks its length.
    pub(super) fn check(&self, queue: QueueName) -> Result<(), QueueError> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let mut table = self
            .table
            .lock()
            .expect("nothing panics while it holds this lock");
        let Some(&(depth, until)) = table.get(&queue) else {
            return Ok(());
        };
        if Instant::now() < until {
            return Err(QueueError::Overloaded {
                queue: queue.to_string(),
                depth,
                depth_max: self.depth_max,
            });
        }
        table.remove(&queue);
        self.count.store(table.len(), Ordering::Relaxed);
        Ok(())
    }
}
