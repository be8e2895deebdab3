//! Which calls and messages are refused because too much waits. Learns a queue's length from the replies to pushes, and how quickly it is
//! served from this process's own calls: sends no queries. Knows numbers, not what is called.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::config::QueueConfig;
use ordershop_contract::admission::{Admission, AdmittedCall};
use ordershop_contract::message_queue::{QueueError, QueueName};
use ordershop_contract::metrics::{QueueLabels, QueueMetrics};

/// The queues that were found too long recently, and the calls that wait.
#[derive(Debug)]
pub(super) struct Overload {
    depth_max: u64,
    refuse_for: Duration,
    metrics: QueueMetrics,
    /// The number of queues in the table of long ones, so that the usual case takes no lock.
    count: AtomicUsize,
    long: Mutex<FxHashMap<QueueName, (u64, Instant)>>,
    admission: Admission,
}

impl Overload {
    pub(super) fn new(config: &QueueConfig, metrics: QueueMetrics) -> Self {
        Self {
            depth_max: config.depth_max,
            refuse_for: Duration::from_millis(config.overload_ms),
            metrics,
            count: AtomicUsize::new(0),
            long: Mutex::default(),
            admission: Admission::default(),
        }
    }

    /// Records the queue's length after a push.
    pub(super) fn seen(&self, queue: QueueName, depth: u64) {
        if depth <= self.depth_max && self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut long = self
            .long
            .lock()
            .expect("nothing panics while it holds this lock");
        if depth > self.depth_max {
            long.insert(queue, (depth, Instant::now() + self.refuse_for));
        } else {
            long.remove(&queue);
        }
        self.count.store(long.len(), Ordering::Relaxed);
    }

    /// Refuses a queue that was found too long less than `overload_ms` ago; after that the next push checks its length.
    pub(super) fn check(&self, queue: QueueName) -> Result<(), QueueError> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let mut long = self
            .long
            .lock()
            .expect("nothing panics while it holds this lock");
        let Some(&(depth, until)) = long.get(&queue) else {
            return Ok(());
        };
        if Instant::now() < until {
            return Err(QueueError::Overloaded {
                queue: queue.to_string(),
                depth,
                depth_max: self.depth_max,
            });
        }
        long.remove(&queue);
        self.count.store(long.len(), Ordering::Relaxed);
        Ok(())
    }

    /// Admits a call that waits at most `timeout` for its answer, or refuses it because the calls that wait already take too long.
    pub(super) fn admit(
        &self,
        queue: QueueName,
        timeout: Duration,
    ) -> Result<AdmittedCall<'_>, QueueError> {
        self.check(queue)?;
        let admitted = self.admission.admit(queue, timeout);
        if admitted.is_err() {
            let labels = QueueLabels {
                queue: queue.to_string(),
            };
            self.metrics.calls_refused.get_or_create(&labels).inc();
        }
        admitted
    }
}
