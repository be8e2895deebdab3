//! How far an audit that was asked for alone has read, in a terminal alone.

use std::time::Duration;

use indicatif::ProgressBar;

/// The display of an audit.
pub struct AuditBar {
    bar: ProgressBar,
}

impl Default for AuditBar {
    fn default() -> Self {
        Self::new()
    }
}

impl AuditBar {
    /// Begins to be shown.
    pub fn new() -> Self {
        // indicatif itself draws nothing where there is no terminal.
        let bar = ProgressBar::new_spinner();
        bar.set_message("audit: waiting until nothing is in flight");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// So many events have been read.
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
