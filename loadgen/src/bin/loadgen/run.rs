//! `loadgen run`: finds the scenario, runs it, prints the report and exits with the verdict's exit code.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use loadgen::live::JsonLines;
use loadgen::run::{RunError, RunOptions, run};
use loadgen_scenario::duration::HumanDuration;
use loadgen_scenario::{Overrides, Scenario};

use crate::ending::{bad_input, runtime};
use crate::format::Format;
use crate::pipeline::PipelineArguments;
use crate::scenario_arguments::{ScenarioArguments, length, rate, users};
use crate::system_arguments::SystemArguments;
use crate::watch::WatchArguments;

#[derive(Args)]
pub struct RunArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    #[command(flatten)]
    system: SystemArguments,
    /// Start this many journeys a second (open workload; stages are scaled)
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// Start journeys for this long, as in 30s or 2m
    #[arg(long, value_parser = length)]
    duration: Option<HumanDuration>,
    /// Run with this many users (closed workload)
    #[arg(long, value_parser = users)]
    users: Option<usize>,
    /// Write the report to this folder [default: reports/runs/<scenario>-<time>]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print the report on standard output as text, or report.json with the text on standard error; with --progress json it is the last line
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    watch: WatchArguments,
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Skip the audit after the run
    #[arg(long)]
    no_audit: bool,
    /// Read recorded orders (CSV), for a scenario that replays them
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Replay this many times faster than recorded, as in 7200 for two hours a second [default: 1]
    #[arg(long, value_name = "FACTOR")]
    speed: Option<f64>,
}

fn find(arguments: &RunArguments) -> Result<Scenario, ExitCode> {
    arguments.scenario.find(Overrides {
        rate: arguments.rate,
        duration: arguments.duration.map(|d| d.0),
        users: arguments.users,
        ..Overrides::default()
    })
}

pub fn run_scenario(arguments: RunArguments) -> ExitCode {
    let scenario = match find(&arguments) {
        Ok(scenario) => scenario,
        Err(code) => return code,
    };
    let given = arguments.out.clone();
    let out = given.unwrap_or_else(|| default_out(&scenario.name));
    let system = match arguments.system.command() {
        Ok(system) => system,
        Err(code) => return code,
    };
    let mut observers = match arguments.watch.observers() {
        Ok(observers) => observers,
        Err(code) => return code,
    };
    let junit = match arguments.pipeline.open(&mut observers) {
        Ok(junit) => junit,
        Err(code) => return code,
    };
    let options = RunOptions {
        target: arguments.system.target.clone(),
        tls: arguments.system.tls(),
        drivers: arguments.scenario.drivers,
        seed: arguments.scenario.seed,
        out: out.clone(),
        durability: arguments.scenario.durability.clone(),
        audit: !arguments.no_audit,
        system,
        trace: arguments.trace.clone(),
        speed: arguments.speed,
        observers,
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(e) => return bad_input(format!("the async runtime can't start: {e}")),
    };
    eprintln!("{}: {}", scenario.name, scenario.description);
    let name = scenario.name.clone();
    let report = match runtime.block_on(run(scenario, options)) {
        Ok(report) => report,
        Err(e) => {
            if arguments.watch.is_json() {
                JsonLines::failed(&e.to_string());
            }
            junit.write(|| loadgen_render::junit_of_no_run(&name, &e.to_string()));
            return failed(&e);
        }
    };
    junit.write(|| loadgen_render::junit(&report));
    let document = loadgen_render::run::document(&report);
    let text = |colour| {
        format!(
            "\nreport: {}\n\n{}",
            out.join("report.html").display(),
            loadgen_render::text(&document, colour)
        )
    };
    let progress_json = arguments.watch.is_json();
    let report_json = arguments.format == Format::Json;
    if progress_json && report_json {
        JsonLines::report(&report);
    } else if report_json {
        let json = serde_json::to_string_pretty(&report)
            .unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}"));
        println!("{json}");
    }
    if progress_json || report_json {
        eprint!("{}", text(std::io::stderr().is_terminal()));
    } else {
        print!("{}", text(std::io::stdout().is_terminal()));
    }
    ExitCode::from(report.verdict.result().exit_code())
}

pub fn failed(error: &RunError) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(error.exit_code())
}

/// The default folder of a run, such as `reports/runs/<name>-20260131-235959`, with the time in UTC.
pub fn default_out(name: &str) -> PathBuf {
    let time = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S");
    PathBuf::from(format!("reports/runs/{name}-{time}"))
}
