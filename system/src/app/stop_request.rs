//! What tells a process to stop: SIGINT, SIGTERM or, where it is supervised, the end of stdin. Knows nothing of what is stopped.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its making on, so that no signal is missed while the process is still starting.
#[derive(Debug)]
pub struct StopRequest {
    interrupt: Signal,
    terminate: Signal,
    supervised: bool,
}

impl StopRequest {
    /// Begins to listen. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// The signals can't be listened for.
    pub fn listen(supervised: bool) -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            supervised,
        })
    }

    /// Waits until the process is told to stop.
    pub async fn asked(&mut self) {
        let abandoned = async {
            if !self.supervised {
                std::future::pending::<()>().await;
            }
            let mut nothing = [0];
            while tokio::io::stdin().read(&mut nothing).await.unwrap_or(0) > 0 {}
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = abandoned => {}
        }
    }

    /// Does the work unless told to stop before it is done; `None` when it was.
    pub async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.asked() => None,
            done = work => Some(done),
        }
    }
}
