//! Measures loadgen's claims about itself: next to wrk and oha, next to the machine's floor, against a server that is stopped, and
//! over ten million requests. Exits with 1 if a claim is not met.
//! `cargo build --release -p loadgen && cargo run --release -p loadgen --example engine -- all`

mod bench;
mod closed_loop;
mod echo_server;
mod memory;
mod open_loop;
mod pause;
mod stall;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    /// Runs of each program, in turns
    #[arg(long, global = true, default_value_t = 5)]
    rounds: usize,
    /// Length of each run
    #[arg(long, global = true, default_value_t = 4)]
    seconds: u64,
    /// Requests of the long run for memory
    #[arg(long, global = true, default_value_t = 10_000_000.0)]
    requests: f64,
}

#[derive(Subcommand)]
enum Command {
    /// The small server alone
    Serve(echo_server::ServerOptions),
    /// Requests a second and CPU per request, compared with wrk and oha (if they are on PATH)
    Closed,
    /// Schedule slip, compared with a bare sleeping loop
    Open,
    /// Response times after a pause, compared with those without one
    Pause,
    /// Response times of a server that is stopped for a second
    Stall,
    /// Memory after many requests
    Memory,
    /// All of them
    All,
}

fn main() -> anyhow::Result<()> {
    let line = CommandLine::parse();
    match line.command {
        Command::Serve(options) => echo_server::serve(options),
        Command::Closed => closed_loop::measure(line.rounds, line.seconds),
        Command::Open => open_loop::measure(line.rounds, line.seconds),
        Command::Pause => pause::measure(line.rounds, line.seconds),
        Command::Stall => stall::measure(),
        Command::Memory => memory::measure(line.requests),
        Command::All => {
            closed_loop::measure(line.rounds, line.seconds)?;
            open_loop::measure(line.rounds, line.seconds)?;
            pause::measure(line.rounds, line.seconds)?;
            stall::measure()?;
            memory::measure(line.requests)
        }
    }?;
    // After everything was printed: a claim that is not met hides no other figure.
    bench::all_met()
}
