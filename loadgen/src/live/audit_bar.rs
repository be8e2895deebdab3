//! The progress of `loadgen audit`, shown only in a terminal.

use std::time::Duration;

use indicatif::ProgressBar;

/// The progress display of an audit.
pub struct AuditBar {
    bar: ProgressBar,
}

impl Default for AuditBar {
    fn default() -> Self {
        Self::new()
    }
}

impl AuditBar {
    /// Shows the display.
    pub fn new() -> Self {
        // indicatif draws nothing without a terminal.
        let bar = ProgressBar::new_spinner();
        bar.set_message("audit: waiting until nothing is in flight");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// Shows the number of events read so far, every thousand events.
    pub fn read(&self, events: u64) {
        if events.is_multiple_of(1_000) {
            self.bar.set_message(format!("audit: {events} events read"));
        }
    }
}

impl Drop for AuditBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
