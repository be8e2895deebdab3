//! The program: reads the command line, finds the scenario, runs it (or audits a system), prints the report and ends with the verdict's
//! exit code (0 PASS, 1 FAIL, 3 INVALID, 2 bad input).

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Parser, Subcommand};
use loadgen::audit::{AuditScope, audit};
use loadgen::duration::HumanDuration;
use loadgen::http_client::{Target, TlsOptions};
use loadgen::progress::AuditProgress;
use loadgen::render::{self, date::utc};
use loadgen::report::{self, folder::RunFolder};
use loadgen::run::{RunError, RunOptions, run};
use loadgen::scenario::{Overrides, Scenario, catalog, schema, starter};

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
    Run(Box<RunArguments>),
    /// Check that what happened on a running system fits together: every event against every entity
    Audit(AuditArguments),
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

#[derive(Args)]
struct RunArguments {
    /// A scenario's name (see `loadgen list`) or the path of a .toml file
    scenario: String,
    /// URL of a running system; without it `ordershop up` is started and stopped [example: http://127.0.0.1:5000]
    #[arg(long)]
    target: Option<String>,
    /// Journeys a second (open workload; stages are scaled)
    #[arg(long, value_parser = positive)]
    rate: Option<f64>,
    /// How long journeys are started, as in 30s or 2m
    #[arg(long)]
    duration: Option<HumanDuration>,
    /// Users (closed workload)
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    users: Option<u64>,
    /// Threads that drive the load [default: what the rate needs, of half the cores]
    #[arg(long, value_name = "N")]
    drivers: Option<usize>,
    #[command(flatten)]
    tls: TlsArguments,
    /// Makes the choices repeatable
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the report [default: reports/runs/<scenario>-<time>]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print report.json on standard output (everything else is on standard error)
    #[arg(long)]
    json: bool,
    /// Changes a parameter of the scenario
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    parameters: Vec<(String, String)>,
    /// Leave out the audit after the run
    #[arg(long)]
    no_audit: bool,
    /// Durability of the system that is started
    #[arg(long, default_value = "everysec", value_parser = ["none", "everysec", "always"])]
    durability: String,
    /// The program `ordershop` [default: beside this program, else on PATH]
    #[arg(long, env = "ORDERSHOP_BIN")]
    system_bin: Option<PathBuf>,
    /// Folder with scenarios, instead of ./scenarios and the built-in ones
    #[arg(long)]
    scenarios: Option<PathBuf>,
    /// Recorded orders (CSV), for a scenario that replays them
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Replay so many times faster than recorded, as in 7200 for two hours a second [default: 1]
    #[arg(long, value_name = "FACTOR", value_parser = positive)]
    speed: Option<f64>,
}

/// How an https:// target is believed.
#[derive(Args)]
struct TlsArguments {
    /// Authority (PEM file) that signed an https:// target's certificate, instead of those that the system trusts
    #[arg(long, value_name = "FILE", conflicts_with = "insecure_tls")]
    ca: Option<PathBuf>,
    /// Believe any certificate of an https:// target
    #[arg(long)]
    insecure_tls: bool,
}

impl TlsArguments {
    fn options(&self) -> TlsOptions {
        TlsOptions {
            ca: self.ca.clone(),
            insecure: self.insecure_tls,
        }
    }
}

#[derive(Args)]
struct AuditArguments {
    /// URL of a running system [example: http://127.0.0.1:5000]
    #[arg(long)]
    target: String,
    #[command(flatten)]
    tls: TlsArguments,
    /// How long to wait until nothing is in flight, as in 60s
    #[arg(long, default_value = "60s")]
    drain_timeout: HumanDuration,
    /// Print the outcome as JSON on standard output
    #[arg(long)]
    json: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|n: &f64| *n > 0.0 && n.is_finite())
        .ok_or_else(|| "a number above 0 is needed".into())
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is needed")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn main() -> ExitCode {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match CommandLine::parse().command {
        Command::Run(arguments) => run_scenario(*arguments),
        Command::Audit(arguments) => audit_target(&arguments),
        Command::Report { folders, out } => report_again(&folders, out.as_deref()),
        Command::List { scenarios } => list(scenarios),
        Command::Check { files, scenarios } => check(&files, scenarios),
        Command::New { name } => match starter::write(name.as_deref()) {
            Ok(path) => {
                let path = path.display();
                println!(
                    "{path} is written. What it would do: loadgen check {path}. To run it: loadgen run {path} --target URL"
                );
                ExitCode::SUCCESS
            }
            Err(e) => bad_input(e),
        },
        Command::Schema => {
            say(&format!("{:#}\n", schema::schema()));
            ExitCode::SUCCESS
        }
    }
}

/// To standard output; a reader who has seen enough (`| head`) is no error.
fn say(text: &str) {
    std::io::stdout().write_all(text.as_bytes()).ok();
}

/// Every file is looked at, whatever is wrong with the one before.
fn check(files: &[String], folder: Option<PathBuf>) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for file in files {
        match catalog::find(file, folder.as_deref()) {
            Ok(scenario) => say(&scenario.summary().to_string()),
            Err(e) => {
                eprintln!("{:?}", miette::Report::new(e));
                code = ExitCode::from(BAD_INPUT);
            }
        }
    }
    code
}

fn bad_input(problem: impl std::fmt::Display) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::from(BAD_INPUT)
}

fn list(folder: Option<PathBuf>) -> ExitCode {
    let names = catalog::names(folder.as_deref());
    let width = names.iter().map(String::len).max().unwrap_or(0);
    for name in names {
        match catalog::find(&name, folder.as_deref()) {
            Ok(scenario) => {
                let (story, workload) = (&scenario.description, scenario.summary().workload);
                say(&format!(
                    "{name:<width$}  {story}\n{:<width$}  {workload}\n",
                    ""
                ));
            }
            Err(e) => say(&format!("{name:<width$}  (can't be read: {e})\n")),
        }
    }
    ExitCode::SUCCESS
}

fn report_again(folders: &[PathBuf], out: Option<&Path>) -> ExitCode {
    let opened = folders.iter().map(|path| RunFolder::open(path));
    let opened = match opened.collect::<Result<Vec<_>, _>>() {
        Ok(opened) => opened,
        Err(e) => return bad_input(e),
    };
    match (opened.as_slice(), out) {
        ([one], None) => match render::write_all(one) {
            Ok(()) => {
                println!("report: {}", one.path.join("report.html").display());
                ExitCode::SUCCESS
            }
            Err(e) => bad_input(e),
        },
        ([_], Some(_)) => bad_input("--out is for several folders: one is made again where it is"),
        (_, None) => {
            bad_input("several folders are merged into one of their own: say where with --out DIR")
        }
        (several, Some(out)) => merge(several, out),
    }
}

fn merge(parts: &[RunFolder], out: &Path) -> ExitCode {
    let merged = match report::merge(parts, out) {
        Ok(merged) => merged,
        Err(e) => return bad_input(e),
    };
    if let Err(e) = render::write_all(&merged) {
        return bad_input(e);
    }
    for part in &merged.report.merged_from {
        println!(
            "merged: {}, started {}, {} requests, {}",
            part.folder,
            render::date::shown(part.started_at),
            render::count(part.requests),
            part.verdict.as_str()
        );
    }
    println!(
        "\n{}\nreport: {}",
        render::tables(&merged.report),
        out.join("report.html").display()
    );
    print!(
        "{}",
        render::verdict(&merged.report, std::io::stdout().is_terminal())
    );
    ExitCode::from(merged.report.verdict.result.exit_code())
}

fn find(arguments: &RunArguments) -> Result<Scenario, ExitCode> {
    let mut scenario =
        catalog::find(&arguments.scenario, arguments.scenarios.as_deref()).map_err(|e| {
            eprintln!("{:?}", miette::Report::new(e));
            ExitCode::from(BAD_INPUT)
        })?;
    let overrides = Overrides {
        rate: arguments.rate,
        duration: arguments.duration.map(|d| d.0),
        users: arguments.users.map(|n| n as usize),
        parameters: arguments.parameters.clone(),
    };
    scenario.apply(&overrides).map_err(bad_input)?;
    Ok(scenario)
}

fn run_scenario(arguments: RunArguments) -> ExitCode {
    let scenario = match find(&arguments) {
        Ok(scenario) => scenario,
        Err(code) => return code,
    };
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let out = arguments.out.clone().unwrap_or_else(|| {
        PathBuf::from(format!(
            "reports/runs/{}-{}",
            scenario.name,
            timestamp(seconds)
        ))
    });
    let options = RunOptions {
        target: arguments.target.clone(),
        tls: arguments.tls.options(),
        drivers: arguments.drivers,
        seed: arguments.seed,
        out: out.clone(),
        durability: arguments.durability.clone(),
        audit: !arguments.no_audit,
        system_bin: arguments.system_bin.clone(),
        trace: arguments.trace.clone(),
        speed: arguments.speed,
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(e) => return bad_input(format!("no runtime: {e}")),
    };
    eprintln!("{}: {}", scenario.name, scenario.description);
    let report = match runtime.block_on(run(scenario, options)) {
        Ok(report) => report,
        Err(e) => return failed(&e),
    };
    let text = format!(
        "\n{}\nreport: {}\n",
        render::tables(&report),
        out.join("report.html").display()
    );
    if arguments.json {
        let json = serde_json::to_string_pretty(&report)
            .unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}"));
        println!("{json}");
        eprint!(
            "{text}{}",
            render::verdict(&report, std::io::stderr().is_terminal())
        );
    } else {
        print!(
            "{text}{}",
            render::verdict(&report, std::io::stdout().is_terminal())
        );
    }
    ExitCode::from(report.verdict.result.exit_code())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

fn audit_target(arguments: &AuditArguments) -> ExitCode {
    let scope = AuditScope {
        drain_timeout: arguments.drain_timeout.0,
        ..AuditScope::default()
    };
    let outcome = runtime().map_err(|e| format!("no runtime: {e}"));
    let outcome = outcome.and_then(|runtime| {
        runtime.block_on(async {
            let target = Target::resolve(&arguments.target, &arguments.tls.options()).await;
            let target = target.map_err(|e| format!("--target: {e}"))?;
            let progress = AuditProgress::new();
            let audited = audit(target, &scope, &|events| progress.read(events)).await;
            audited.map_err(|e| e.to_string())
        })
    });
    let report = match outcome {
        Ok(report) => report,
        Err(problem) => return bad_input(problem),
    };
    let text = render::audit(&report);
    if arguments.json {
        let json = serde_json::to_string_pretty(&report)
            .unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}"));
        println!("{json}");
        eprint!("{text}");
    } else {
        print!("{text}");
    }
    match report.reasons().is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn failed(error: &RunError) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(error.exit_code())
}

/// `20260131-235959` in UTC.
fn timestamp(seconds: u64) -> String {
    let [year, month, day, hour, minute, second] = utc(seconds);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}
