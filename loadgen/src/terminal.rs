//! What the programs write to standard output and standard error: the only place that does. A reader that has gone (`| head`, a closed
//! terminal) is no error, and nothing that can't be written ends a run. Characters that would steer the terminal are made visible.

use std::fmt::Display;
use std::io::{self, Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use clap::{ColorChoice, FromArgMatches};
pub use program_terminal::{has_colour, is_able, print, say};
use program_terminal::{lose, lost, visible};

/// The exit code if standard output or a report can't be written.
pub const UNWRITTEN: u8 = 5;

/// Whether the full screen has taken over the terminal, so that nothing else may write to it.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Text for standard error in the meantime.
static KEPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
/// Largest size of the kept text in bytes; further text is dropped.
const KEPT_BYTES_MAX: usize = 64 << 10;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a line to standard error, or keeps it while the full screen is shown.
pub fn note(line: &str) {
    write_error(format!("{}\n", visible(line)).as_bytes());
}

/// Writes what is wrong to standard error.
pub fn error(problem: impl Display) {
    note(&format!("error: {problem}"));
}

/// Writes a finished text to standard error, as [`print()`] does to standard output.
pub fn print_error(text: &str) {
    write_error(text.as_bytes());
}

/// Writes what is wrong with a scenario's file, with an excerpt.
pub fn diagnostic(problem: impl miette::Diagnostic + Send + Sync + 'static) {
    let report = miette::Report::new(problem);
    let shown = |colour: bool| {
        let handler = miette::MietteHandlerOpts::new()
            .terminal_links(false)
            .color(colour)
            .build();
        let mut text = String::new();
        let shown = Excerpt(&handler, report.as_ref());
        // Writing to a String can't fail.
        std::fmt::Write::write_fmt(&mut text, format_args!("{shown:?}")).ok();
        text
    };
    let plain = shown(false);
    // An excerpt that would steer the terminal can't be told from the colours around it.
    let text = match has_colour(&stderr()) && visible(&plain) == plain {
        true => shown(true),
        false => visible(&plain).into_owned(),
    };
    print_error(&format!("{}\n", text.trim_end()));
}

struct Excerpt<'a>(&'a miette::MietteHandler, &'a dyn miette::Diagnostic);

impl std::fmt::Debug for Excerpt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        miette::ReportHandler::debug(self.0, self.1, f)
    }
}

fn write_error(text: &[u8]) {
    if TAKEN.load(Ordering::SeqCst) {
        let mut kept = lock(&KEPT);
        if kept.len() + text.len() <= KEPT_BYTES_MAX {
            kept.extend_from_slice(text);
        }
        return;
    }
    // Nobody could be told.
    stderr().write_all(text).ok();
}

/// Standard error as a writer, for log output.
#[derive(Debug, Clone, Copy)]
pub struct StandardError;

impl Write for StandardError {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        write_error(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes over the terminal: from now on what is written to standard error is kept.
pub(crate) fn take() {
    TAKEN.store(true, Ordering::SeqCst);
}

/// Whether the terminal is taken over.
pub(crate) fn is_taken() -> bool {
    TAKEN.load(Ordering::SeqCst)
}

/// Gives the terminal back with `restore`, and writes what was kept; a second call does nothing.
pub(crate) fn give_back(restore: impl FnOnce()) {
    if TAKEN.swap(false, Ordering::SeqCst) {
        restore();
        write_error(&std::mem::take(&mut *lock(&KEPT)));
    }
}

/// Parses the command line of this command. Help, the version and what is wrong are written before an exit code is returned.
///
/// # Errors
/// The exit code, if there is nothing more to do.
pub fn arguments<T: FromArgMatches>(command: clap::Command) -> Result<T, ExitCode> {
    // The parser itself doesn't know that an empty TERM is no able terminal.
    let command = match has_colour(&stdout()) || has_colour(&stderr()) {
        true => command,
        false => command.color(ColorChoice::Never),
    };
    let matches = command.try_get_matches();
    matches
        .and_then(|m| T::from_arg_matches(&m))
        .map_err(|told| {
            if let Err(error) = told.print()
                && !told.use_stderr()
            {
                lose(error);
            }
            ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(1))
        })
}

/// The program's exit code: that of its work, unless standard output is incomplete.
pub fn end(code: ExitCode) -> ExitCode {
    match lost() {
        Some(lost) => {
            error(format!("standard output can't be written: {lost}"));
            ExitCode::from(UNWRITTEN)
        }
        None => code,
    }
}
