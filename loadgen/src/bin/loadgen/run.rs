//! `loadgen run`: finds the scenario, runs it, prints the report and exits with the verdict's exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use loadgen::live::JsonLines;
use loadgen::out_folder::OutFolder;
use loadgen::run::{RunError, RunOptions, run};
use loadgen::terminal;
use loadgen_report::Report;
use loadgen_scenario::duration::HumanDuration;
use loadgen_scenario::{Named, Overrides, Scenario};
use program_terminal::visible;

use crate::agents_arguments::AgentsArguments;
use crate::ending::{bad_input, failed, runtime, tell};
use crate::format::Format;
use crate::pipeline::PipelineArguments;
use crate::scenario_arguments::{ScenarioArguments, length, named_rate, users};
use crate::system_arguments::{SystemArguments, has_no_effect};
use crate::watch::WatchArguments;

#[derive(Args)]
pub struct RunArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    #[command(flatten)]
    system: SystemArguments,
    #[command(flatten)]
    agents: AgentsArguments,
    /// Start this many journeys a second (open workload; stages are scaled); of several workloads, that of this name; may be repeated
    #[arg(long, value_name = "[NAME=]N", value_parser = named_rate, allow_negative_numbers = true)]
    rate: Vec<Named<f64>>,
    /// Start journeys for this long, as in 30s or 2m (stages and later starts are stretched)
    #[arg(long, value_parser = length)]
    duration: Option<HumanDuration>,
    /// Run with this many users (closed workload); of several workloads, that of this name; may be repeated
    #[arg(long, value_name = "[NAME=]N", value_parser = users, allow_negative_numbers = true)]
    users: Vec<Named<usize>>,
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
    /// Sample with Linux's perf where the started system and its Redis spend their CPU, and write flame graphs beside the report
    #[arg(long)]
    profile: bool,
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
        rates: arguments.rate.clone(),
        duration: arguments.duration.map(|d| d.0),
        users: arguments.users.clone(),
        targets: arguments.system.named_targets(),
        ..Overrides::default()
    })
}

pub fn run_scenario(arguments: RunArguments) -> ExitCode {
    let scenario = match find(&arguments) {
        Ok(scenario) => scenario,
        Err(code) => return code,
    };
    let trace = arguments.trace.as_deref();
    if let Err(code) = arguments.pipeline.check(&scenario, trace) {
        return code;
    }
    let target = match arguments.system.target(&scenario) {
        Ok(target) => target,
        Err(code) => return code,
    };
    if arguments.profile && target.is_some() {
        return has_no_effect("--profile");
    }
    let agents = match arguments.agents.options(target.as_deref()) {
        Ok(agents) => agents,
        Err(code) => return code,
    };
    let own = scenario.durability.filter(|_| target.is_none());
    let durability = arguments.scenario.durability.clone();
    let durability = durability.or(own.map(|own| own.name().to_owned()));
    let system = match arguments
        .system
        .plan(target.as_deref(), durability.as_ref())
    {
        Ok(system) => system,
        Err(code) => return code,
    };
    let mut observers = match arguments.watch.observers() {
        Ok(observers) => observers,
        Err(code) => return code,
    };
    let out = OutFolder::given_or_new(arguments.out.as_deref(), &scenario.name);
    let out = match out {
        Ok(out) => out,
        Err(e) => return failed(&e, e.exit_code()),
    };
    let folder = out.path().to_owned();
    if let Some(given) = arguments.out.as_deref().filter(|given| *given != folder) {
        terminal::note(&format!(
            "{} holds the report of another run; this run's goes to {}",
            given.display(),
            folder.display()
        ));
    }
    let junit = match arguments.pipeline.open(&scenario, &mut observers) {
        Ok(junit) => junit,
        Err(code) => return code,
    };
    let options = RunOptions {
        connect: arguments.system.connect(),
        target,
        drivers: arguments.scenario.drivers,
        agents,
        seed: arguments.scenario.seed,
        out,
        audit: !arguments.no_audit,
        system,
        trace: arguments.trace.clone(),
        speed: arguments.speed,
        profile: arguments.profile,
        observers,
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(e) => return bad_input(format!("the async runtime can't start: {e}")),
    };
    terminal::note(&format!("{}: {}", scenario.name, scenario.description));
    if let Some(system) = &options.system {
        // Who forgot --target must not take the shop's answers for the own service's.
        terminal::note(&format!("no --target is given: starting {system}"));
    }
    let name = scenario.name.clone();
    let page = folder.join("report.html").display().to_string();
    let error = match runtime.block_on(run(scenario, options)) {
        Ok(report) => {
            tell_report(&arguments, &report, &format!("report: {page}\n"));
            let written = junit.write(|| loadgen_render::junit(&report));
            let code = ExitCode::from(report.verdict.result().exit_code());
            return written.err().unwrap_or(code);
        }
        Err(error) => error,
    };
    // The error's own exit code counts, also where this file can't be written.
    if let RunError::Unwritten { report, .. } = &error {
        tell_report(&arguments, report, "");
        junit.write(|| loadgen_render::junit(report)).ok();
    } else {
        let text = || loadgen_render::junit_of_no_run(&name, &error.to_string());
        junit.write(text).ok();
    }
    if arguments.watch.is_json() {
        JsonLines::failed(&error.to_string());
    }
    failed(&error, error.exit_code())
}

/// Prints a report, after a line that says where it is.
fn tell_report(arguments: &RunArguments, report: &Report, place: &str) {
    let document = loadgen_render::run::document(report);
    let place = visible(place);
    let text = |colour| format!("\n{place}\n{}", loadgen_render::text(&document, colour));
    match (arguments.watch.is_json(), arguments.format) {
        (false, Format::Text) => tell(None::<&Report>, text),
        (false, Format::Json) => tell(Some(report), text),
        (true, format) => {
            if format == Format::Json {
                JsonLines::report(report);
            }
            terminal::print_error(&text(terminal::has_colour(&std::io::stderr())));
        }
    }
}
