//! The terminal that a program was started from: what is written to standard output, how text must look there, and which signals it has said
//! to ignore. Both programs use it. Must not know what a program says, nor its command line.

mod output;
mod visible;

use std::io::{IsTerminal, stderr, stdout};

pub use output::{lose, lost, print, say};
pub use visible::visible;

/// Whether the stream is a terminal that knows escape sequences.
pub fn is_able(stream: &impl IsTerminal) -> bool {
    let able = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    able && stream.is_terminal()
}

/// Whether text on the stream is coloured (<https://no-color.org>).
pub fn has_colour(stream: &impl IsTerminal) -> bool {
    is_able(stream) && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether the program was started with this signal, a number, ignored. Where the system doesn't tell (no /proc), a program without a terminal
/// counts as one that `nohup` has started.
#[must_use]
pub fn is_ignored(signal: i32) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return !stdout().is_terminal() && !stderr().is_terminal();
    };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
