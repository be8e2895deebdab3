//! `loadgen capacity`: searches for the highest rate that a system sustains, prints each probe as it ends, and writes the report.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args;
use loadgen::capacity::{self, Range, SearchPlan};
use loadgen::out_folder::OutFolder;
use loadgen::run::{Interrupts, RunError, RunObservers, RunOptions};
use loadgen::terminal::{UNWRITTEN, note};
use loadgen_report::Environment;
use loadgen_report::capacity::{CapacityReport, SearchSetting, write_report};
use loadgen_report::visible::visible;
use loadgen_scenario::duration::HumanDuration;
use loadgen_scenario::{Overrides, Scenario};
use loadgen_shop::system_process::SystemCommand;
use tokio_util::sync::CancellationToken;

use crate::ending::{bad_input, failed, runtime, tell};
use crate::format::Format;
use crate::scenario_arguments::{ScenarioArguments, rate};
use crate::system_arguments::SystemArguments;

/// First guess of the time that start, set-up and drain add to a probe.
const AROUND_A_PROBE: Duration = Duration::from_secs(3);
/// Shortest measured time of a probe: with fewer seconds the slopes of backlog and in-flight journeys are noise.
const MEASURED_MIN: Duration = Duration::from_secs(5);

#[derive(Args)]
pub struct CapacityArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    #[command(flatten)]
    system: SystemArguments,
    /// Try this rate first, in journeys a second [default: the scenario's, between --lowest and --highest]
    #[arg(long, value_parser = rate)]
    start: Option<f64>,
    /// Try no rate below this one
    #[arg(long, value_parser = rate, default_value = "1")]
    lowest: f64,
    /// Try no rate above this one
    #[arg(long, value_parser = rate, default_value = "1000000")]
    highest: f64,
    /// Search until the result is this near to a rate that the system does not sustain
    #[arg(long, value_parser = percentage, default_value = "5%")]
    precision: f64,
    /// Start journeys for this long in each probe, its warm-up included
    #[arg(long, default_value = "20s")]
    probe_duration: HumanDuration,
    /// Leave out this much time at the start of each probe
    #[arg(long, default_value = "4s")]
    warm_up: HumanDuration,
    /// Start no probe that would end later than this
    #[arg(long, default_value = "8m")]
    budget: HumanDuration,
    /// Write the report to this folder [default: reports/runs/capacity-<scenario>-<time>]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print the report on standard output as text, or capacity.json with the text on standard error
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Parses `5%` or `0.05` as a share from 0.005 to 0.5.
fn percentage(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number.trim_end(), 100.0),
        None => (text, 1.0),
    };
    let share = number.parse::<f64>().ok().map(|n| n / scale);
    share
        .filter(|share| (0.005..=0.5).contains(share))
        .ok_or_else(|| "write a share from 0.5% to 50%, such as 5% or 0.05".into())
}

impl CapacityArguments {
    /// The scenario of one probe at this rate, in journeys a second.
    fn probe(&self, rate: f64) -> Result<Scenario, ExitCode> {
        let mut scenario = self.scenario.find(Overrides::default())?;
        let (duration, warm_up) = (self.probe_duration.0, self.warm_up.0);
        scenario.probe(rate, duration, warm_up).map_err(bad_input)?;
        Ok(scenario)
    }

    fn run_options(&self, out: OutFolder, system: Option<SystemCommand>) -> RunOptions {
        RunOptions {
            target: self.system.target.clone(),
            tls: self.system.tls(),
            drivers: self.scenario.drivers,
            seed: self.scenario.seed,
            out,
            durability: self.scenario.durability.clone(),
            // Beyond capacity work is left over on purpose; the search judges its growth instead.
            audit: false,
            system,
            observers: RunObservers::default(),
            trace: None,
            speed: None,
        }
    }

    fn plan(&self, scenario: &Scenario) -> Result<SearchPlan, String> {
        let measured = self.probe_duration.0.saturating_sub(self.warm_up.0);
        if measured < MEASURED_MIN {
            return Err(format!(
                "--probe-duration: a probe would measure only {measured:?} after its warm-up; allowed: at least {MEASURED_MIN:?} longer than --warm-up"
            ));
        }
        let (lowest, highest) = (self.lowest, self.highest);
        if lowest > highest {
            return Err("--lowest is above --highest".into());
        }
        let start = match self.start {
            Some(start) if !(lowest..=highest).contains(&start) => {
                return Err(format!(
                    "--start {start}: out of range; allowed: --lowest to --highest, {lowest} to {highest}"
                ));
            }
            Some(start) => start,
            None => scenario
                .highest_rate()
                .unwrap_or(lowest)
                .clamp(lowest, highest),
        };
        Ok(SearchPlan {
            range: Range {
                start,
                lowest,
                highest,
                precision: self.precision,
            },
            budget: self.budget.0,
            probe: self.probe_duration.0 + AROUND_A_PROBE,
        })
    }
}

pub fn search(arguments: &CapacityArguments) -> ExitCode {
    // All arguments are checked before the first probe.
    let found = arguments.scenario.find(Overrides::default());
    let checked = found.and_then(|scenario| {
        let plan = arguments.plan(&scenario).map_err(bad_input)?;
        arguments.probe(plan.range.start)?;
        Ok((scenario, plan, arguments.system.command()?))
    });
    let (scenario, plan, system) = match checked {
        Ok(checked) => checked,
        Err(code) => return code,
    };
    let name = format!("capacity-{}", scenario.name);
    let folder = match OutFolder::claim_for_runs(arguments.out.as_deref(), &name) {
        Ok(folder) => folder,
        Err(e) => return failed(&e, e.exit_code()),
    };
    let out = folder.path();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(e) => return bad_input(format!("the async runtime can't start: {e}")),
    };
    note(&format!(
        "{}: {}\nprobes of {:?} from {}, budget {:?}; Ctrl-C ends the search and reports what was found so far",
        scenario.name,
        scenario.description,
        arguments.probe_duration.0,
        loadgen_render::capacity::rate(plan.range.start),
        plan.budget
    ));
    if !scenario.faults.is_empty() {
        note("the scenario's faults are left out");
    }
    let report = match runtime.block_on(carry_out(arguments, &scenario, &system, &plan, out)) {
        Ok(report) => report,
        Err(e) => return failed(&e, e.exit_code()),
    };
    let written = write_report(&report, out)
        .map_err(|e| format!("{}: {e}", out.display()))
        .and_then(|()| {
            loadgen_render::capacity::write_all(&report, out).map_err(|e| e.to_string())
        });
    conclude(arguments, &report, out);
    match written {
        Ok(()) => ExitCode::from(report.result.exit_code()),
        Err(e) => failed(format!("the report can't be written: {e}"), UNWRITTEN),
    }
}

fn conclude(arguments: &CapacityArguments, report: &CapacityReport, out: &Path) {
    let document = loadgen_render::capacity::document(report);
    let page = out.join("capacity.html").display().to_string();
    let json = (arguments.format == Format::Json).then_some(report);
    tell(json, |colour| {
        let text = loadgen_render::text(&document, colour);
        format!("\nreport: {}\n\n{text}", visible(&page))
    });
}

async fn carry_out(
    arguments: &CapacityArguments,
    scenario: &Scenario,
    system: &Option<SystemCommand>,
    plan: &SearchPlan,
    out: &Path,
) -> Result<CapacityReport, RunError> {
    let mut interrupts = Interrupts::listen(None)
        .map_err(|e| RunError::BadInput(format!("can't listen for signals: {e}")))?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        interrupts.stop().await;
        note("stopping after this probe's drain (press Ctrl-C again to stop at once)");
        stopped.cancel();
    });
    let started_at = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64());
    let mut environment = Environment::default();
    let findings = capacity::find(plan, &stop, async |number, rate| {
        note(&format!(
            "probe {number}: {}",
            loadgen_render::capacity::rate(rate)
        ));
        let scenario = arguments.probe(rate).map_err(|_| {
            RunError::BadInput("the scenario's file has changed since the search started".into())
        })?;
        let folder = out.join(format!("{number:02}-{rate}"));
        let folder = OutFolder::claim(&folder).map_err(|e| RunError::BadInput(e.to_string()))?;
        let options = arguments.run_options(folder, system.clone());
        let warn = |error: &RunError| note(&format!("warning: {error}"));
        let measured = capacity::measure(number, rate, scenario, options, warn).await;
        let (probe, report) = measured?;
        environment = report.environment;
        note(&loadgen_render::capacity::line(&probe, environment.cores));
        Ok(probe)
    });
    let findings = findings.await?;
    let setting = SearchSetting {
        scenario: scenario.name.clone(),
        description: scenario.description.clone(),
        seed: arguments.scenario.seed,
        probe_s: arguments.probe_duration.0.as_secs_f64(),
        warm_up_s: arguments.warm_up.0.as_secs_f64(),
        precision: arguments.precision,
    };
    Ok(CapacityReport::new(
        started_at,
        setting,
        environment,
        findings,
    ))
}
