//! What the program writes to standard output and standard error: the only place that does. A reader that has gone (`| head`, a closed
//! terminal) is no error, and nothing that can't be written ends a service. Characters that would steer the terminal are made visible.

use std::fmt::Display;
use std::io::{Write, stderr};

pub use program_terminal::{has_colour, lost, print, say};
use program_terminal::{lose, visible};

/// Writes a line to standard error. If it can't be written, nobody could be told.
pub fn note(line: impl Display) {
    let line = line.to_string();
    writeln!(stderr(), "{}", visible(&line)).ok();
}

/// Writes a line of another process to standard error, after a coloured label.
pub fn relay(label: &str, line: &str) {
    let (on, off) = match has_colour(&stderr()) {
        true => ("\x1b[36m", "\x1b[0m"),
        false => ("", ""),
    };
    writeln!(stderr(), "{on}{label} |{off} {}", visible(line)).ok();
}

/// Writes what the command line has to say, help or what is wrong with it; returns its exit code.
pub fn told(command_line: &clap::Error) -> u8 {
    if let Err(error) = command_line.print()
        && !command_line.use_stderr()
    {
        lose(error);
    }
    u8::try_from(command_line.exit_code()).unwrap_or(1)
}
