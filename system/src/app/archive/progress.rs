//! Progress on the terminal.

use std::time::Instant;

use crate::terminal::note;

/// How often progress is told, s.
const TELL_S: u64 = 2;

/// Tells from time to time how far something is.
pub struct Progress(Instant);

impl Progress {
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    pub fn tell(&mut self, text: impl FnOnce() -> String) {
        if self.0.elapsed().as_secs() >= TELL_S {
            note(text());
            self.0 = Instant::now();
        }
    }
}
