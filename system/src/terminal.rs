//! What the program writes to standard output and standard error: the only place that does. A reader that has gone (`| head`, a closed
//! terminal) is no error, and nothing that can't be written ends a service. Characters that would steer the terminal are made visible.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::fs::File;
use std::io::{self, IsTerminal, Write as _, stderr, stdout};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

/// Why standard output is incomplete.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a line to standard output.
pub fn say(line: &str) {
    print(&format!("{}\n", visible(line)));
}

/// Writes a finished text to standard output.
pub fn print(text: &str) {
    let mut out = stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if let Err(error) = written {
        lose(error);
    }
}

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

/// Why standard output is incomplete, if it is and somebody reads it still.
pub fn lost() -> Option<io::Error> {
    LOST.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn lose(error: io::Error) {
    if !has_gone(&error, &stdout()) {
        let mut lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
        lost.get_or_insert(error);
    }
}

/// Whether an error of writing means that nobody reads any more: the pipe's reader has ended, or the terminal was closed.
fn has_gone(error: &io::Error, stream: &impl AsFd) -> bool {
    match error.kind() {
        io::ErrorKind::BrokenPipe => true,
        // A terminal that was closed answers with EIO, as a broken disk does.
        _ if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
            let file = stream.as_fd().try_clone_to_owned().map(File::from);
            !file
                .and_then(|file| file.metadata())
                .is_ok_and(|file| file.is_file())
        }
        _ => false,
    }
}

/// Whether text on the stream is coloured (<https://no-color.org>).
pub fn has_colour(stream: &impl IsTerminal) -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let able = set("TERM").is_some_and(|term| term != "dumb");
    able && set("NO_COLOR").is_none() && stream.is_terminal()
}

/// Text in which only line ends and tabs are left of the control characters. Others are written as `\u001b`, as in JSON, which stays JSON;
/// so are those that change the direction of text or end a line without being a line end.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match steers(c) {
            // Writing to a String can't fail.
            true => write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn steers(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // Marks, embeddings, overrides and isolates of direction; separators of lines and paragraphs; the mark of byte order.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2066}'..='\u{2069}' | '\u{feff}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_or_turn_text_around_is_visible() {
        let rows = [
            (
                "plain, with\nlines\tand tabs",
                "plain, with\nlines\tand tabs",
            ),
            ("\x1b]0;owned\x07", "\\u001b]0;owned\\u0007"),
            ("a\rb\x7f\u{9b}31m", "a\\u000db\\u007f\\u009b31m"),
            ("abc\u{202e}fdp.exe", "abc\\u202efdp.exe"),
        ];
        for (text, shown) in rows {
            assert_eq!(visible(text), shown);
        }
    }
}
