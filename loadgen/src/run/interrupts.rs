//! Catches Ctrl-C and similar signals, so that a run stops in order and leaves no child process behind. If a screen has the
//! keyboard, its keys come here too: in a terminal's raw mode Ctrl-C is a key and not a signal.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::run_event::Wish;

/// SIGINT, SIGTERM and keys.
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    keys: Option<UnboundedReceiver<Wish>>,
}

impl Interrupts {
    /// Starts listening: from now on the signals no longer end the program.
    pub fn listen(keys: Option<UnboundedReceiver<Wish>>) -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            keys,
        })
    }

    /// The next wish. Wishes between two calls are not lost.
    pub async fn next(&mut self) -> Wish {
        let keys = self.keys.as_mut();
        let key = async {
            let wish = match keys {
                Some(keys) => keys.recv().await,
                None => None,
            };
            match wish {
                Some(wish) => wish,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.terminate.recv() => Wish::Stop,
            wish = key => wish,
        }
    }

    /// Waits for the next wish to stop.
    pub async fn stop(&mut self) {
        while self.next().await != Wish::Stop {}
    }
}
