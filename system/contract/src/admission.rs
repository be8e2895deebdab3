//! Admits calls, or refuses them at once because those that wait already take too long. Each implementation of the queue asks it before it sends
//! anything. Knows numbers, not what is called.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::call_flow::Flow;
use crate::message_queue::{QueueError, QueueName};
use crate::queue_names::goes_on;

/// What goes on with something is refused only when it waits so many times longer than what begins something: 1.25 s of 5 s, for 5 s.
const GOES_ON_LATER: u32 = 4;

/// The calls of this process that wait, by queue.
#[derive(Debug, Default)]
pub struct Admission(Mutex<FxHashMap<QueueName, Flow>>);

/// The place of an admitted call. Dropping it ends the call; [`AdmittedCall::answered`] says that it got its answer.
#[derive(Debug)]
pub struct AdmittedCall<'a> {
    admission: &'a Admission,
    queue: QueueName,
    answered: bool,
}

impl Admission {
    /// Admits a call that waits at most `timeout` for its answer.
    ///
    /// # Errors
    /// [`QueueError::Overloaded`] if the calls that wait already take too long.
    pub fn admit(
        &self,
        queue: QueueName,
        timeout: Duration,
    ) -> Result<AdmittedCall<'_>, QueueError> {
        let mut flows = self.flows();
        let flow = flows.entry(queue).or_default();
        let parts = if goes_on(queue) { GOES_ON_LATER } else { 1 };
        flow.admit(timeout * parts, Instant::now())
            .map_err(|full| QueueError::Overloaded {
                queue: queue.to_string(),
                depth: full.waiting,
                depth_max: full.waiting_max,
            })?;
        Ok(AdmittedCall {
            admission: self,
            queue,
            answered: false,
        })
    }

    fn flows(&self) -> MutexGuard<'_, FxHashMap<QueueName, Flow>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AdmittedCall<'_> {
    /// The call got its answer.
    pub fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for AdmittedCall<'_> {
    fn drop(&mut self) {
        if let Some(flow) = self.admission.flows().get_mut(&self.queue) {
            flow.leave(self.answered);
        }
    }
}
