//! The program: reads the command line and hands each command to its own file; ends with the verdict's exit code (0 PASS, 1 FAIL,
//! 3 INVALID, 2 bad input).

mod ab;
mod audit;
mod capacity;
mod compare;
mod report;
mod run;
mod scenario_arguments;
mod scenarios;
mod system_arguments;
mod tls;
mod watch;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Drivers allocate on threads of their own, where the system's allocator asks the kernel for each page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BAD_INPUT: u8 = 2;

/// Replays customer scenarios against an event-driven HTTP system and reports what it did, honestly.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 PASS, 1 FAIL, 3 INVALID (the generator could not keep up), 2 bad input."
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a scenario by name or path and write its report
    Run(Box<run::RunArguments>),
    /// Find the highest rate that a system sustains: probes at rising rates, each a run of its own, then between them
    #[command(
        after_help = "Exit codes: 0 found, 1 not even the lowest rate holds, 3 can't tell (the generator is the limit, the budget was used up, or stopped), 2 bad input."
    )]
    Capacity(Box<capacity::CapacityArguments>),
    /// Two builds in turns: was the second one really slower?
    #[command(
        after_help = "Exit codes: 0 no regression, 1 regression, 2 bad input, 3 can't tell (too few runs, INVALID ones, interrupted)."
    )]
    Ab(Box<ab::AbArguments>),
    /// Check that what happened on a running system fits together: every event against every entity
    Audit(audit::AuditArguments),
    /// Make a run's report.html and summary.md again from its folder; several generators' folders are merged first
    #[command(
        after_help = "Ends with 0, or with the merged verdict's exit code; 2 when a folder can't be used."
    )]
    Report {
        /// Folders of runs, each with its report.json and interval logs
        #[arg(required = true, value_name = "DIR")]
        folders: Vec<PathBuf>,
        /// Folder for the merged report of several
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Compare the runs of two builds: better, worse, the same, or can't tell (also: compare-report)
    Compare(Box<compare::CompareArguments>),
    /// List the scenarios and their stories
    List {
        /// Folder with scenarios, instead of ./scenarios and the built-in ones
        #[arg(long)]
        scenarios: Option<PathBuf>,
    },
    /// Read scenarios and say what would run, without running it (exit code 2 if one is wrong)
    Check {
        /// Names (see `loadgen list`) or paths of .toml files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
        /// Folder with scenarios, instead of ./scenarios and the built-in ones
        #[arg(long)]
        scenarios: Option<PathBuf>,
    },
    /// Write a commented scenario that runs as it is against any HTTP service; never over a file
    New {
        /// Its name, or a path that ends in .toml [default: my-scenario]
        name: Option<String>,
    },
    /// Print the JSON schema of scenarios, for editors
    Schema,
}

fn main() -> ExitCode {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| StandardError)
        .init();
    match CommandLine::parse().command {
        Command::Run(arguments) => run::run_scenario(*arguments),
        Command::Capacity(arguments) => capacity::search(&arguments),
        Command::Ab(arguments) => ab::measure_in_turns(&arguments),
        Command::Audit(arguments) => audit::audit_target(&arguments),
        Command::Report { folders, out } => report::report_again(&folders, out.as_deref()),
        Command::Compare(arguments) => compare::compare_runs(&arguments),
        Command::List { scenarios } => scenarios::list(scenarios),
        Command::Check { files, scenarios } => scenarios::check(&files, scenarios),
        Command::New { name } => scenarios::new(name.as_deref()),
        Command::Schema => scenarios::print_schema(),
    }
}

/// Standard error; while a screen is shown, what is written waits until it is gone.
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        loadgen::live::note(text).map(|()| text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// To standard output; a reader who has seen enough (`| head`) is no error.
fn say(text: &str) {
    std::io::stdout().write_all(text.as_bytes()).ok();
}

fn bad_input(problem: impl std::fmt::Display) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::from(BAD_INPUT)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
