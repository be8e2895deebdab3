//! `loadgen run`: finds the scenario, runs it, prints the report and ends with the verdict's exit code.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use loadgen::duration::HumanDuration;
use loadgen::live::JsonLines;
use loadgen::render::{self, date::utc};
use loadgen::run::{RunError, RunOptions, run};
use loadgen::scenario::{Overrides, Scenario, catalog};
use loadgen::system_process::{SystemCommand, SystemError};

use crate::tls::TlsArguments;
use crate::watch::WatchArguments;
use crate::{BAD_INPUT, bad_input, runtime};

#[derive(Args)]
pub struct RunArguments {
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
    /// Print report.json on standard output (everything else is on standard error); with --progress json as its last line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    watch: WatchArguments,
    /// Changes a parameter of the scenario
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    parameters: Vec<(String, String)>,
    /// Leave out the audit after the run
    #[arg(long)]
    no_audit: bool,
    /// Durability of the system that is started
    #[arg(long, default_value = "everysec", value_parser = ["none", "everysec", "always"])]
    durability: String,
    /// Start the system with each service a process of its own (`ordershop up --processes`)
    #[arg(long, conflicts_with = "target")]
    processes: bool,
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

pub fn positive(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|n: &f64| *n > 0.0 && n.is_finite())
        .ok_or_else(|| "a number above 0 is needed".into())
}

pub fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is needed")?;
    Ok((name.to_owned(), value.to_owned()))
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

pub fn run_scenario(arguments: RunArguments) -> ExitCode {
    let scenario = match find(&arguments) {
        Ok(scenario) => scenario,
        Err(code) => return code,
    };
    let given = arguments.out.clone();
    let out = given.unwrap_or_else(|| default_out(&scenario.name));
    let system = match arguments.target {
        Some(_) => Ok(None),
        None => system_of(arguments.system_bin.as_deref(), arguments.processes),
    };
    let system = match system {
        Ok(system) => system,
        Err(e) => return bad_input(e),
    };
    let options = RunOptions {
        target: arguments.target.clone(),
        tls: arguments.tls.options(),
        drivers: arguments.drivers,
        seed: arguments.seed,
        out: out.clone(),
        durability: arguments.durability.clone(),
        audit: !arguments.no_audit,
        system,
        trace: arguments.trace.clone(),
        speed: arguments.speed,
        audience: match arguments.watch.audience() {
            Ok(audience) => audience,
            Err(code) => return code,
        },
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(e) => return bad_input(format!("no runtime: {e}")),
    };
    eprintln!("{}: {}", scenario.name, scenario.description);
    let report = match runtime.block_on(run(scenario, options)) {
        Ok(report) => report,
        Err(e) => {
            if arguments.watch.is_json() {
                JsonLines::failed(&e.to_string());
            }
            return failed(&e);
        }
    };
    let text = format!(
        "\n{}\nreport: {}\n",
        render::tables(&report),
        out.join("report.html").display()
    );
    let progress_json = arguments.watch.is_json();
    if progress_json && arguments.json {
        JsonLines::report(&report);
    } else if arguments.json {
        let json = serde_json::to_string_pretty(&report)
            .unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}"));
        println!("{json}");
    }
    if progress_json || arguments.json {
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

pub fn failed(error: &RunError) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(error.exit_code())
}

/// What starts the system, where that is not just the default.
///
/// # Errors
/// None is named, and it is nowhere.
pub fn system_of(
    program: Option<&Path>,
    processes: bool,
) -> Result<Option<SystemCommand>, SystemError> {
    if program.is_none() && !processes {
        return Ok(None);
    }
    let command = SystemCommand::ordershop(program)?;
    Ok(Some(match processes {
        true => command.with("--processes"),
        false => command,
    }))
}

/// `reports/runs/<name>-20260131-235959`, the time in UTC.
pub fn default_out(name: &str) -> PathBuf {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let [year, month, day, hour, minute, second] = utc(seconds);
    let time = format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}");
    PathBuf::from(format!("reports/runs/{name}-{time}"))
}
