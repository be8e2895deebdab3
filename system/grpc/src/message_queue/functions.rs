//! The functions that messages may be sent to: the shop's own, and all that a worker has ever consumed. A misspelt name is
//! refused; otherwise its message would wait for a worker for ever.

use std::sync::Mutex;

use rustc_hash::FxHashSet;

use ordershop_contract::message_queue::{QueueError, QueueName};
use ordershop_contract::open_queue::OpenQueue;
use ordershop_contract::queue_names;

/// The known functions. Names found in the queue are cached: the queue never forgets a function.
#[derive(Debug)]
pub(super) struct KnownFunctions {
    known: Mutex<FxHashSet<QueueName>>,
}

/// Why messages to a function are refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum FunctionError {
    /// No worker has ever consumed the function.
    #[error("no worker has ever consumed {0}; check the name, or start its service first")]
    Unknown(QueueName),
    /// The queue can't be read.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl KnownFunctions {
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

    /// Adds a function that has a worker.
    pub(super) fn add(&self, function: QueueName) {
        self.lock().insert(function);
    }

    /// Fails if no worker has ever consumed the function.
    pub(super) async fn check(
        &self,
        queue: &dyn OpenQueue,
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
