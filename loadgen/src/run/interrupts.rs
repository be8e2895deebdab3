//! Catches Ctrl-C and similar signals, so that a run stops in order and leaves no child process behind. If a screen has the
//! keyboard, its keys come here too: in a terminal's raw mode Ctrl-C is a key and not a signal.

use program_terminal::is_ignored;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::run_event::Wish;

/// SIGINT, SIGTERM, SIGQUIT, SIGHUP and keys.
pub struct Interrupts {
    /// Each may come again, and then means an end at once.
    deliberate: [Signal; 2],
    quit: Option<Signal>,
    /// The terminal was closed. Shells and the kernel both tell, so it counts once and never means an end at once.
    hangup: Option<Signal>,
    /// Whether a stop was asked for.
    asked: bool,
    keys: Option<UnboundedReceiver<Wish>>,
}

impl Interrupts {
    /// Starts listening: from now on the signals no longer end the program. What `nohup` or a shell has told the program to ignore, SIGHUP
    /// or SIGQUIT, stays ignored.
    pub fn listen(keys: Option<UnboundedReceiver<Wish>>) -> std::io::Result<Self> {
        let unless_ignored = |kind: SignalKind| match is_ignored(kind.as_raw_value()) {
            true => Ok(None),
            false => signal(kind).map(Some),
        };
        Ok(Self {
            deliberate: [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            ],
            quit: unless_ignored(SignalKind::quit())?,
            hangup: unless_ignored(SignalKind::hangup())?,
            asked: false,
            keys,
        })
    }

    /// The next wish. Wishes between two calls are not lost.
    pub async fn next(&mut self) -> Wish {
        loop {
            let [interrupt, terminate] = &mut self.deliberate;
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
            let wish = tokio::select! {
                _ = interrupt.recv() => Wish::Stop,
                _ = terminate.recv() => Wish::Stop,
                () = came(&mut self.quit) => Wish::Stop,
                () = came(&mut self.hangup) => match self.asked {
                    true => continue,
                    false => Wish::Stop,
                },
                wish = key => wish,
            };
            self.asked |= wish == Wish::Stop;
            return wish;
        }
    }

    /// Waits for the next wish to stop.
    pub async fn stop(&mut self) {
        while self.next().await != Wish::Stop {}
    }
}

async fn came(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
