//! `--format`: what a command prints on standard output.

/// The two forms that every command with a report has; `compare` has more.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
}
