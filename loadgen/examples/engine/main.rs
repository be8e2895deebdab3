//! What loadgen claims of itself, measured: beside wrk and oha, beside the machine's floor, against a server that is stopped.

mod echo_server;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The small server alone
    Serve(echo_server::ServerOptions),
}

fn main() -> anyhow::Result<()> {
    match CommandLine::parse().command {
        Command::Serve(options) => echo_server::serve(options),
    }
}
