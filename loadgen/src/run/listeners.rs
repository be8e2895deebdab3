//! The listeners of a run, told one after the other; and when they are told that something is waited for.

use std::time::Duration;

use crate::run_event::{Listener, RunEvent};

/// What takes longer than this is told.
const SILENT_MAX: Duration = Duration::from_secs(1);

/// Does the work, and calls `tell` once if it has not ended soon.
pub async fn telling<T>(work: impl Future<Output = T>, tell: impl FnOnce()) -> T {
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(SILENT_MAX) => tell(),
    }
    work.await
}

/// The listeners of a run.
pub struct Listeners(pub Vec<Box<dyn Listener>>);

impl Listeners {
    /// Something has happened.
    pub fn tell(&mut self, event: &RunEvent) {
        self.0.iter_mut().for_each(|l| l.event(event));
    }

    /// Something is waited for.
    pub fn tell_waiting(&mut self, what: impl Into<String>) {
        self.tell(&RunEvent::Waiting { what: what.into() });
    }
}
