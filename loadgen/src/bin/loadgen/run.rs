//! `loadgen run`: finds the scenario, runs it, prints the report and exits with the verdict's exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use loadgen::agents::AgentsOptions;
use loadgen::live::JsonLines;
use loadgen::out_folder::OutFolder;
use loadgen::run::{RunError, RunOptions, run};
use loadgen::terminal;
use loadgen_report::Report;
use loadgen_scenario::duration::HumanDuration;
use loadgen_scenario::{Named, Overrides, Scenario};
use program_terminal::visible;
use tokio::runtime::Runtime;

use crate::agents_arguments::{AgentsArguments, taken};
use crate::ending::{Failure, failed, runtime, tell};
use crate::format::Format;
use crate::pipeline::{JunitFile, PipelineArguments};
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

/// A run whose arguments are right.
struct Prepared {
    scenario: Scenario,
    options: RunOptions,
    agents: Option<AgentsOptions>,
    junit: JunitFile,
    runtime: Runtime,
}

impl RunArguments {
    fn overrides(&self) -> Overrides {
        Overrides {
            rates: self.rate.clone(),
            duration: self.duration.map(|d| d.0),
            users: self.users.clone(),
            targets: self.system.named_targets(),
            ..Overrides::default()
        }
    }

    /// The files that the run reads; with a scenario that is wrong, those that it may read.
    fn read(&self, scenario: &Result<Scenario, Failure>) -> Vec<PathBuf> {
        let of_scenario = match scenario {
            Ok(scenario) => scenario.read_from.paths().map(Path::to_owned).collect(),
            Err(Failure::Scenario(error)) => error.may_read(),
            Err(Failure::Other { .. }) => Vec::new(),
        };
        let files = self.system.files().chain(self.agents.files());
        let files = files.chain(self.trace.as_deref()).map(Path::to_owned);
        of_scenario.into_iter().chain(files).collect()
    }

    /// Checks all that can be checked before the target is reached, and creates the files that are written.
    fn prepare(&self, mut scenario: Scenario, read: &[PathBuf]) -> Result<Prepared, Failure> {
        self.scenario.apply(&mut scenario, self.overrides())?;
        let target = self.system.target(&scenario)?;
        if self.profile && target.is_some() {
            return Err(has_no_effect("--profile"));
        }
        let listen = self.system.listen(target.as_deref());
        let drivers = self.scenario.drivers;
        let agents = self.agents.options(&scenario, drivers, listen)?;
        let own = scenario.durability.filter(|_| target.is_none());
        let durability = self.scenario.durability.clone();
        let durability = durability.or(own.map(|own| own.name().to_owned()));
        let system = self.system.plan(target.as_deref(), durability.as_ref())?;
        let mut observers = self.watch.observers()?;
        let given = self.out.as_deref();
        let out = OutFolder::given_or_new(given, &scenario.name);
        let out = out.map_err(|e| Failure::new(&e, e.exit_code()))?;
        let folders: Vec<&Path> = given.into_iter().chain([out.path()]).collect();
        self.pipeline.check(read, &folders)?;
        if let Some(given) = given.filter(|given| *given != out.path()) {
            terminal::note(&format!(
                "{} holds the report of another run; this run's goes to {}",
                given.display(),
                out.path().display()
            ));
        }
        let junit = self.pipeline.open(&scenario, &mut observers)?;
        let options = RunOptions {
            connect: self.system.connect(),
            target,
            drivers,
            agents: None,
            seed: self.scenario.seed,
            out,
            audit: !self.no_audit,
            system,
            trace: self.trace.clone(),
            speed: self.speed,
            profile: self.profile,
            observers,
        };
        let runtime = runtime()
            .map_err(|e| Failure::bad_input(format!("the async runtime can't start: {e}")))?;
        Ok(Prepared {
            scenario,
            options,
            agents,
            junit,
            runtime,
        })
    }

    /// Tells a program that reads the progress why there is no report.
    fn tell_failed(&self, problem: &str) {
        if self.watch.is_json() {
            JsonLines::failed(problem);
        }
    }
}

pub fn run_scenario(arguments: RunArguments) -> ExitCode {
    let found = arguments.scenario.read();
    let read = arguments.read(&found);
    let name = match &found {
        Ok(scenario) => scenario.name.clone(),
        Err(_) => arguments.scenario.scenario.clone(),
    };
    match found.and_then(|scenario| arguments.prepare(scenario, &read)) {
        Ok(prepared) => carry_out(&arguments, prepared),
        Err(failure) => {
            let problem = failure.to_string();
            let folders: Vec<&Path> = arguments.out.as_deref().into_iter().collect();
            arguments.pipeline.refuse(&read, &folders, &name, &problem);
            arguments.tell_failed(&problem);
            failure.tell()
        }
    }
}

fn carry_out(arguments: &RunArguments, prepared: Prepared) -> ExitCode {
    let Prepared {
        scenario,
        mut options,
        agents,
        junit,
        runtime,
    } = prepared;
    terminal::note(&format!("{}: {}", scenario.name, scenario.description));
    let name = scenario.name.clone();
    let page = options.out.path().join("report.html").display().to_string();
    let run = async {
        options.agents = taken(agents).await?;
        if let Some(system) = &options.system {
            // Who forgot --target must not take the shop's answers for the own service's.
            terminal::note(&format!("no --target is given: starting {system}"));
        }
        run(scenario, options).await
    };
    let error = match runtime.block_on(run) {
        Ok(report) => {
            tell_report(arguments, &report, &format!("report: {page}\n"));
            let written = junit.write(|| loadgen_render::junit(&report));
            let code = ExitCode::from(report.verdict.result().exit_code());
            return written.err().unwrap_or(code);
        }
        Err(error) => error,
    };
    // The error's own exit code counts, also where this file can't be written.
    if let RunError::Unwritten { report, .. } = &error {
        tell_report(arguments, report, "");
        junit.write(|| loadgen_render::junit(report)).ok();
    } else {
        let text = || loadgen_render::junit_of_no_run(&name, &error.to_string());
        junit.write(text).ok();
    }
    arguments.tell_failed(&error.to_string());
    let is_text = !arguments.watch.is_json() && arguments.format == Format::Text;
    if is_text && matches!(error, RunError::SetUp(_)) {
        terminal::say("verdict: FAIL\n  the set-up failed: there is no report");
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
