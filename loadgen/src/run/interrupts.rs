//! Ctrl-C and its like, received instead of obeyed: a run stops in order and leaves no child behind.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C, or what a supervisor sends.
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// From now on they no longer end the program by themselves.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The next one; one that came meanwhile is not lost.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
