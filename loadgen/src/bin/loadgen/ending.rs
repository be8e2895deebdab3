//! What all commands share of their beginning and their end: the runtime, why a command failed, the exit code of bad input.

use std::process::ExitCode;

use loadgen::terminal;
use loadgen_scenario::ScenarioError;

/// The exit code of bad input.
pub const BAD_INPUT: u8 = 2;

/// Why a command can't do its work. Nothing of it has been printed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The scenario is wrong; it is shown with an excerpt.
    #[error(transparent)]
    Scenario(#[from] Box<ScenarioError>),
    /// Anything else, with the exit code.
    #[error("{problem}")]
    Other { problem: String, code: u8 },
}

impl Failure {
    pub fn new(problem: impl std::fmt::Display, code: u8) -> Self {
        let problem = problem.to_string();
        Self::Other { problem, code }
    }

    pub fn bad_input(problem: impl std::fmt::Display) -> Self {
        Self::new(problem, BAD_INPUT)
    }

    /// Says what went wrong; returns the exit code.
    pub fn tell(self) -> ExitCode {
        match self {
            Self::Scenario(error) => {
                terminal::diagnostic(*error);
                ExitCode::from(BAD_INPUT)
            }
            Self::Other { problem, code } => failed(problem, code),
        }
    }
}

pub fn bad_input(problem: impl std::fmt::Display) -> ExitCode {
    failed(problem, BAD_INPUT)
}

/// Says what went wrong; returns the exit code.
pub fn failed(problem: impl std::fmt::Display, code: u8) -> ExitCode {
    terminal::error(problem);
    ExitCode::from(code)
}

/// Prints a command's outcome: as text on standard output, or as JSON there and as text on standard error. `text` is told whether it may be
/// coloured.
pub fn tell(json: Option<&impl serde::Serialize>, text: impl Fn(bool) -> String) {
    let Some(outcome) = json else {
        return terminal::print(&text(terminal::has_colour(&std::io::stdout())));
    };
    let json = serde_json::to_string_pretty(outcome);
    let json = json.unwrap_or_else(|e| serde_json::json!({ "error": e.to_string() }).to_string());
    terminal::say(&json);
    terminal::print_error(&text(terminal::has_colour(&std::io::stderr())));
}

pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
