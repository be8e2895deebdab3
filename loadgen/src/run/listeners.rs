//! The listeners of a run, told one after the other.

use crate::run_event::{Listener, RunEvent};

/// The listeners of a run.
pub struct Listeners(pub Vec<Box<dyn Listener>>);

impl Listeners {
    /// Something has happened.
    pub fn tell(&mut self, event: &RunEvent) {
        self.0.iter_mut().for_each(|l| l.event(event));
    }
}
