//! Requests to stop the process: SIGINT, SIGTERM, SIGQUIT, SIGHUP or, if it is supervised, the end of stdin. Must not know what is
//! stopped.

use std::io;

use program_terminal::is_ignored;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for stop requests from its creation on, so that no signal is missed while the process starts.
#[derive(Debug)]
pub struct StopRequest {
    signals: Vec<Signal>,
    supervised: bool,
}

impl StopRequest {
    /// Starts to listen. What `nohup` or a shell has told the program to ignore, SIGHUP or SIGQUIT, stays ignored. Must be called in a
    /// tokio runtime.
    ///
    /// # Errors
    /// The signal handlers can't be installed.
    pub fn listen(supervised: bool) -> io::Result<Self> {
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        let others = [SignalKind::quit(), SignalKind::hangup()];
        kinds.extend(
            others
                .into_iter()
                .filter(|kind| !is_ignored(kind.as_raw_value())),
        );
        let signals = kinds.into_iter().map(signal);
        Ok(Self {
            signals: signals.collect::<io::Result<_>>()?,
            supervised,
        })
    }

    /// Waits for a stop request.
    pub async fn asked(&mut self) {
        let supervised = self.supervised;
        let abandoned = async move {
            if !supervised {
                std::future::pending::<()>().await;
            }
            let mut nothing = [0];
            while tokio::io::stdin().read(&mut nothing).await.unwrap_or(0) > 0 {}
        };
        let signalled = std::future::poll_fn(|context| {
            let mut each = self.signals.iter_mut();
            match each.any(|signal| signal.poll_recv(context).is_ready()) {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        });
        tokio::select! {
            () = signalled => {}
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
