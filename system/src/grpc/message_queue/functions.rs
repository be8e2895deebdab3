//! The functions that messages may be sent to: those of the shop, and those that anyone has ever consumed. A name with a slip in it is
//! refused instead of waiting for a worker for ever.

use std::sync::Mutex;

use rustc_hash::FxHashSet;

use crate::message_queue::redis::RedisMessageQueue;
use crate::message_queue::{QueueError, QueueName};
use crate::queue_names;

/// See the module. What was found in the queue is remembered: nothing is ever taken out of it.
#[derive(Debug)]
pub(super) struct Functions {
    known: Mutex<FxHashSet<QueueName>>,
}

/// Why nothing may be sent to a function.
#[derive(Debug, thiserror::Error)]
pub(super) enum FunctionError {
    /// There is no such function.
    #[error("nobody has ever consumed {0}")]
    Unknown(QueueName),
    /// The queue can't be asked.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl Functions {
    pub(super) fn new() -> Self {
        Self {
            known: Mutex::new(queue_names::all().into_iter().collect()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, FxHashSet<QueueName>> {
        self.known
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// Somebody works for it.
    pub(super) fn add(&self, function: QueueName) {
        self.lock().insert(function);
    }

    /// Fails where nobody has ever consumed it.
    pub(super) async fn check(
        &self,
        queue: &RedisMessageQueue,
        function: QueueName,
    ) -> Result<(), FunctionError> {
        if self.lock().contains(&function) {
            return Ok(());
        }
        if queue.knows(&function.to_string()).await? {
            self.add(function);
            return Ok(());
        }
        Err(FunctionError::Unknown(function))
    }
}
