//! What all commands share of their beginning and their end: the runtime, standard output, the exit code of bad input.

use std::io::Write;
use std::process::ExitCode;

/// The exit code of bad input.
pub const BAD_INPUT: u8 = 2;

/// Writes to standard output. Ignores errors: `loadgen list | head` closes the pipe early.
pub fn say(text: &str) {
    std::io::stdout().write_all(text.as_bytes()).ok();
}

pub fn bad_input(problem: impl std::fmt::Display) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::from(BAD_INPUT)
}

pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
