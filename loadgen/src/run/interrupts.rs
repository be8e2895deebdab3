//! Ctrl-C and its like, received instead of obeyed: a run stops in order and leaves no child behind. Where a screen has the
//! keyboard, its keys come here too: in a terminal's raw mode Ctrl-C is one of them and no signal.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::run_event::Wish;

/// Ctrl-C, what a supervisor sends, and keys.
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    keys: Option<UnboundedReceiver<Wish>>,
}

impl Interrupts {
    /// From now on they no longer end the program by themselves.
    pub fn listen(keys: Option<UnboundedReceiver<Wish>>) -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            keys,
        })
    }

    /// The next one; one that came meanwhile is not lost.
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

    /// The next one that asks for an end.
    pub async fn stop(&mut self) {
        while self.next().await != Wish::Stop {}
    }
}
