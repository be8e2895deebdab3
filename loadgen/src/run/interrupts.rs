//! Catches Ctrl-C and similar signals, so that a run stops in order and leaves no child process behind. If a screen has the
//! keyboard, its keys come here too: in a terminal's raw mode Ctrl-C is a key and not a signal.

use std::io::{IsTerminal, stderr, stdout};

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
        let unless_ignored = |kind| match is_ignored(kind) {
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

/// Whether the program was started with this signal ignored. Where the system doesn't tell (no /proc), a program without a terminal counts
/// as one that `nohup` has started.
fn is_ignored(kind: SignalKind) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return !stdout().is_terminal() && !stderr().is_terminal();
    };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}
