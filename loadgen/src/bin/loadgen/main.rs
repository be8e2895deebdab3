//! The program `loadgen`: reads the command line and calls the command's own file. The exit code is the verdict's (0 PASS, 1 FAIL,
//! 3 INVALID, 4 INTERRUPTED), 2 for bad input, or 5 for what can't be written.

mod ab;
mod agent;
mod agents_arguments;
mod audit;
mod capacity;
mod compare;
mod connect_arguments;
mod ending;
mod format;
mod manual;
mod pipeline;
mod report;
mod run;
mod scenario_arguments;
mod scenarios;
mod system_arguments;
mod vary;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{CommandFactory, Parser, Subcommand};
use loadgen::build_version::VERSION;
use loadgen::terminal;
use loadgen_shop::system_process::guard;
use manual::Program;

/// Drivers allocate on threads of their own; there the system's allocator asks the kernel for each page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The last part of `loadgen --help`.
const AFTER_HELP: &str = "\
Exit codes (`loadgen COMMAND --help` lists those of a command):
  0  PASS
  1  FAIL
  2  bad input
  3  INVALID (the generator could not keep up), or can't tell
  4  INTERRUPTED: Ctrl-C or q ended the run early
  5  a report or standard output can't be written

Environment variables:
  ORDERSHOP_BIN  Start this program `ordershop`, as --system-bin does
  RUST_LOG       Log to stderr at this level or by these filters [default: warn]";

/// The last part of `loadgen run --help`.
const RUN_AFTER_HELP: &str = "\
Exit codes:
  0  PASS
  1  FAIL: a threshold or the audit failed, no journey was completed, or the set-up failed (without a report)
  2  bad input
  3  INVALID: the generator could not keep up
  4  INTERRUPTED: Ctrl-C or q ended the run early; its report has the figures until then
  5  the report or standard output can't be written

Environment variables:
  ORDERSHOP_BIN  Start this program `ordershop`, as --system-bin does
  RUST_LOG       Log to stderr at this level or by these filters [default: warn]";

/// The last part of `loadgen agent --help`.
const AGENT_AFTER_HELP: &str = "\
An agent reaches targets from its own machine: --tls-ca, --client-cert and --proxy are of its way to them. The scenario, its files and the values of its environment variables come from `loadgen run`; the agent reads none of its own.
Without --tls-cert they, and the token, go over the network in plain text.

Exit codes:
  0  stopped by Ctrl-C or SIGTERM
  2  bad input
  5  standard output can't be written";

/// The last part of `loadgen capacity --help`.
const CAPACITY_AFTER_HELP: &str = "\
Exit codes:
  0  found
  1  the system does not sustain even the lowest rate
  2  bad input
  3  can't tell: the generator was the limit, other programs disturbed it, the budget was used up, or it was stopped
  4  stopped at once (Ctrl-C twice), without a report
  5  the report or standard output can't be written

Environment variables:
  ORDERSHOP_BIN  Start this program `ordershop`, as --system-bin does
  RUST_LOG       Log to stderr at this level or by these filters [default: warn]";

/// Run customer scenarios against an event-driven HTTP system and report response times, end-to-end latency and event lag.
#[derive(Parser)]
#[command(
    version = VERSION,
    after_help = AFTER_HELP
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a scenario and write its report
    #[command(
        after_help = RUN_AFTER_HELP
    )]
    Run(Box<run::RunArguments>),
    /// Drive shares of the load of runs that are led elsewhere (`loadgen run --agents`), one after the other
    #[command(
        after_help = AGENT_AFTER_HELP
    )]
    Agent(Box<agent::AgentArguments>),
    /// Find the highest rate that a system sustains, with one run for each rate that is tried
    #[command(
        after_help = CAPACITY_AFTER_HELP
    )]
    Capacity(Box<capacity::CapacityArguments>),
    /// Measure two builds in turns and say whether the second one is slower
    #[command(
        after_help = "Both sides are started and stopped here, afresh for each run. For targets that run already, make runs with `loadgen run --target` and compare them with `loadgen compare`.\n\nExit codes:\n  0  no regression\n  1  regression\n  2  bad input\n  3  can't tell: too few runs, INVALID runs, or interrupted\n  5  the report or standard output can't be written"
    )]
    Ab(Box<ab::AbArguments>),
    /// Check every event of a running system against every entity
    #[command(
        after_help = "Exit codes:\n  0  no findings\n  1  findings\n  2  bad input, or a target that can't be read\n  5  standard output can't be written"
    )]
    Audit(audit::AuditArguments),
    /// Write report.html and summary.md again from a run's folder; merge the folders of several generators
    #[command(
        after_help = "Exit codes:\n  0  written; merged: PASS\n  1  merged: FAIL\n  2  a folder can't be used\n  3  merged: INVALID\n  4  merged: a run was INTERRUPTED\n  5  the report can't be written"
    )]
    Report {
        /// Read these runs' folders, each with its report.json and interval logs
        #[arg(required = true, value_name = "DIR")]
        folders: Vec<PathBuf>,
        /// Write the merged report of several folders to this folder
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Compare the runs of two builds: better, worse, the same, or can't tell (as the program compare-report)
    Compare(Box<compare::CompareArguments>),
    /// List the scenarios with their descriptions
    List {
        /// Look for scenarios in this folder, instead of ./scenarios and the built-in ones
        #[arg(long)]
        scenarios: Option<PathBuf>,
    },
    /// Check scenarios and say what they would do, without running them
    #[command(after_help = "Exit codes:\n  0  all are right\n  2  at least one is wrong")]
    Check {
        /// Check these scenarios: names (see `loadgen list`) or paths of .toml files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
        /// Look for scenarios in this folder, instead of ./scenarios and the built-in ones
        #[arg(long)]
        scenarios: Option<PathBuf>,
    },
    /// Write a commented scenario that runs unchanged against any HTTP service
    #[command(
        after_help = "Exit codes:\n  0  written\n  2  the file exists already or can't be written"
    )]
    New {
        /// Name the scenario, or give a path that ends in .toml [default: my-scenario, or what --from says]
        name: Option<String>,
        /// Copy this built-in scenario (see `loadgen list`) instead of writing the commented starter
        #[arg(long, value_name = "SCENARIO")]
        from: Option<String>,
    },
    /// Print the JSON schema of scenarios, for editors
    Schema,
    /// Print the completion script of a shell [example: loadgen completions bash > ~/.local/share/bash-completion/completions/loadgen]
    Completions {
        /// Complete in this shell
        shell: clap_complete::Shell,
        /// Complete this program's command line
        #[arg(value_enum, default_value = "loadgen")]
        program: manual::Program,
    },
    /// Write the man pages of loadgen, of its commands and of compare-report
    #[command(after_help = "Exit codes:\n  0  written\n  2  the folder can't be written to")]
    Man {
        /// Write them to this folder, such as ~/.local/share/man/man1
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Stop the system that a loadgen has started when that loadgen has ended
    #[command(name = guard::COMMAND, hide = true)]
    SystemGuard {
        /// Remove this folder at the end
        data: PathBuf,
    },
}

fn main() -> ExitCode {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(terminal::has_colour(&std::io::stderr()))
        .with_writer(|| terminal::StandardError)
        .init();
    // An empty ORDERSHOP_BIN is not set, as in `ORDERSHOP_BIN= loadgen …`.
    let command = CommandLine::command().mut_subcommands(without_empty_variables);
    let code = terminal::arguments::<CommandLine>(command).map(|told| carry_out(told.command));
    terminal::end(code.unwrap_or_else(|code| code))
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        match value.is_some_and(|value| value.is_empty()) {
            true => arg.env(Resettable::Reset),
            false => arg,
        }
    })
}

fn carry_out(command: Command) -> ExitCode {
    match command {
        Command::Run(arguments) => run::run_scenario(*arguments),
        Command::Agent(arguments) => agent::serve(&arguments),
        Command::Capacity(arguments) => capacity::search(&arguments),
        Command::Ab(arguments) => ab::measure_in_turns(&arguments),
        Command::Audit(arguments) => audit::audit_target(&arguments),
        Command::Report { folders, out } => report::report_again(&folders, out.as_deref()),
        Command::Compare(arguments) => compare::compare_runs(&arguments),
        Command::List { scenarios } => scenarios::list(scenarios),
        Command::Check { files, scenarios } => scenarios::check(&files, scenarios),
        Command::New { name, from } => scenarios::new(name.as_deref(), from.as_deref()),
        Command::Schema => scenarios::print_schema(),
        Command::Completions { shell, program } => {
            let program = match program {
                Program::Loadgen => CommandLine::command(),
                Program::CompareReport => compare::compare_report(),
            };
            manual::completions(shell, program)
        }
        Command::Man { folder } => {
            manual::man(&folder, [CommandLine::command(), compare::compare_report()])
        }
        Command::SystemGuard { data } => {
            guard::guard(&data);
            ExitCode::SUCCESS
        }
    }
}
