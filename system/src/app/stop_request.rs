//! Requests to stop the process: SIGINT, SIGTERM or, if it is supervised, the end of stdin. Must not know what is stopped.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for stop requests from its creation on, so that no signal is missed while the process starts.
#[derive(Debug)]
pub struct StopRequest {
    interrupt: Signal,
    terminate: Signal,
    supervised: bool,
}

impl StopRequest {
    /// Starts to listen. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// The signal handlers can't be installed.
    pub fn listen(supervised: bool) -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            supervised,
        })
    }

    /// Waits for a stop request.
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

    /// Does the work; `None` if a stop request comes before it is done.
    pub async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.asked() => None,
            done = work => Some(done),
        }
    }
}
