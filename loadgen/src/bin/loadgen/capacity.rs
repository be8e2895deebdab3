//! `loadgen capacity`: searches for the highest rate that a system sustains, prints each probe as it ends, and writes the report.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Args;
use loadgen::ab::Side;
use loadgen::agents::Agents;
use loadgen::capacity::{self, Range, SearchPlan};
use loadgen::out_folder::OutFolder;
use loadgen::run::{Interrupts, RunError, RunObservers, RunOptions};
use loadgen::terminal::{UNWRITTEN, note};
use loadgen_render::Document;
use loadgen_report::Environment;
use loadgen_report::capacity::{CapacityReport, CapacitySet, SearchSetting, write_report};
use loadgen_scenario::duration::HumanDuration;
use loadgen_scenario::{Overrides, Scenario};
use loadgen_shop::system_process::SystemPlan;
use program_terminal::visible;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::agents_arguments::{AgentsArguments, taken};
use crate::ending::{Failure, bad_input, failed, runtime, tell};
use crate::format::Format;
use crate::scenario_arguments::{ScenarioArguments, rate, share};
use crate::system_arguments::{SystemArguments, has_no_effect};
use crate::vary::Varied;

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
    #[command(flatten)]
    agents: AgentsArguments,
    /// Try this rate first, in journeys a second [default: the scenario's, between --lowest and --highest]
    #[arg(long, value_parser = rate, allow_negative_numbers = true)]
    start: Option<f64>,
    /// Try no rate below this one
    #[arg(long, value_parser = rate, default_value = "1", allow_negative_numbers = true)]
    lowest: f64,
    /// Try no rate above this one
    #[arg(long, value_parser = rate, default_value = "1000000", allow_negative_numbers = true)]
    highest: f64,
    /// Search until the result is this near to a rate that the system does not sustain
    #[arg(long, value_parser = precision, default_value = "5%")]
    precision: f64,
    /// Start journeys for this long in each probe, its warm-up included; at least 5s longer than --warm-up
    #[arg(long, default_value = "20s")]
    probe_duration: HumanDuration,
    /// Leave out this much time at the start of each probe
    #[arg(long, default_value = "4s")]
    warm_up: HumanDuration,
    /// Search for the capacity under 2 to 8 values of an option of `ordershop up`, or on as many servers, in turns [example: redis=PATH|URL,PATH|URL]
    #[arg(long, value_name = "OPTION=VALUE,VALUE")]
    vary: Option<Varied>,
    /// Start no probe that would end later than this; with --vary, of each search's own time
    #[arg(long, default_value = "8m")]
    budget: HumanDuration,
    /// Write the report to this folder [default: reports/runs/capacity-<scenario>-<time>]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print the report on standard output as text, or capacity.json with the text on standard error
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

fn precision(text: &str) -> Result<f64, String> {
    share(text, 0.005..=0.5)
}

impl CapacityArguments {
    fn find(&self) -> Result<Scenario, Failure> {
        self.scenario.find(Overrides {
            targets: self.system.named_targets(),
            ..Overrides::default()
        })
    }

    /// The scenario of one probe at this rate, in journeys a second.
    fn probe(&self, rate: f64) -> Result<Scenario, Failure> {
        let mut scenario = self.find()?;
        let (duration, warm_up) = (self.probe_duration.0, self.warm_up.0);
        scenario
            .probe(rate, duration, warm_up)
            .map_err(Failure::bad_input)?;
        Ok(scenario)
    }

    fn run_options(
        &self,
        out: OutFolder,
        system: &SearchedSystem,
        agents: Option<Arc<Agents>>,
    ) -> RunOptions {
        RunOptions {
            target: system.target.clone(),
            connect: self.system.connect(),
            agents,
            drivers: self.scenario.drivers,
            seed: self.scenario.seed,
            out,
            // Beyond capacity work is left over on purpose; the search judges its growth instead.
            audit: false,
            system: system.plan.clone(),
            observers: RunObservers::default(),
            trace: None,
            speed: None,
            profile: false,
        }
    }

    /// The systems to search: one, or one for each value of what is varied.
    fn systems(&self, target: Option<String>) -> Result<Vec<SearchedSystem>, Failure> {
        let durability = self.scenario.durability.as_ref();
        let plan = self.system.plan(target.as_deref(), durability)?;
        let (varied, base) = match (&self.vary, &plan) {
            (Some(varied), Some(base)) => (varied, base),
            (Some(_), None) => return Err(has_no_effect("--vary")),
            (None, _) => {
                let label = None;
                return Ok(vec![SearchedSystem {
                    label,
                    target,
                    plan,
                }]);
            }
        };
        let variants = varied
            .variants(base)
            .map_err(Failure::bad_input)?
            .into_iter();
        let systems = variants.map(|variant| SearchedSystem {
            label: Some(variant.label),
            target: None,
            plan: Some(variant.plan),
        });
        Ok(systems.collect())
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

/// A system whose capacity is searched for.
struct SearchedSystem {
    /// Its name, if there are several.
    label: Option<String>,
    /// The URL of one that runs already.
    target: Option<String>,
    /// How it is started for each probe; `None` for a running target.
    plan: Option<SystemPlan>,
}

pub fn search(arguments: &CapacityArguments) -> ExitCode {
    // All arguments are checked before the first probe.
    let found = arguments.find();
    let checked = found.and_then(|scenario| {
        let plan = arguments.plan(&scenario).map_err(Failure::bad_input)?;
        let first = arguments.probe(plan.range.start)?;
        let target = arguments.system.target(&scenario)?;
        let listen = arguments.system.listen(target.as_deref());
        let drivers = arguments.scenario.drivers;
        let agents = arguments.agents.options(&first, drivers, listen)?;
        let systems = arguments.systems(target)?;
        Ok((scenario, plan, systems, agents))
    });
    let (scenario, plan, systems, agents) = match checked {
        Ok(checked) => checked,
        Err(failure) => return failure.tell(),
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
    let found = runtime.block_on(async {
        let agents = taken(agents).await?;
        carry_out(arguments, &scenario, &systems, agents, &plan, out).await
    });
    let reports = match found {
        Ok(reports) => reports,
        Err(e) => return failed(&e, e.exit_code()),
    };
    let (written, code) = match &arguments.vary {
        None => {
            let report = &reports[0];
            let written = write_one(report, out);
            let document = loadgen_render::capacity::document(report);
            conclude(arguments, report, &document, out);
            (written, report.result.exit_code())
        }
        Some(varied) => conclude_all(arguments, varied, reports, out),
    };
    match written {
        Ok(()) => ExitCode::from(code),
        Err(e) => failed(format!("the report can't be written: {e}"), UNWRITTEN),
    }
}

fn write_one(report: &CapacityReport, folder: &Path) -> Result<(), String> {
    // A system that was not probed has no folder yet.
    std::fs::create_dir_all(folder)
        .and_then(|()| write_report(report, folder))
        .map_err(|e| format!("{}: {e}", folder.display()))?;
    loadgen_render::capacity::write_all(report, folder).map_err(|e| e.to_string())
}

/// Writes each system's report into its folder, and one of all; returns the exit code if that succeeds.
fn conclude_all(
    arguments: &CapacityArguments,
    varied: &Varied,
    reports: Vec<CapacityReport>,
    out: &Path,
) -> (Result<(), String>, u8) {
    let each = Side::ALL
        .iter()
        .zip(&reports)
        .try_for_each(|(side, report)| write_one(report, &out.join(side.folder())));
    let set = CapacitySet::new(varied.option().to_owned(), reports);
    let written = each.and_then(|()| {
        write_report(&set, out).map_err(|e| format!("{}: {e}", out.display()))?;
        loadgen_render::capacity::set::write_all(&set, out).map_err(|e| e.to_string())
    });
    let document = loadgen_render::capacity::set::document(&set);
    conclude(arguments, &set, &document, out);
    (written, set.exit_code())
}

fn conclude(
    arguments: &CapacityArguments,
    report: &impl Serialize,
    document: &Document,
    out: &Path,
) {
    let page = out.join("capacity.html").display().to_string();
    let json = (arguments.format == Format::Json).then_some(report);
    tell(json, |colour| {
        let text = loadgen_render::text(document, colour);
        format!("\nreport: {}\n\n{text}", visible(&page))
    });
}

async fn carry_out(
    arguments: &CapacityArguments,
    scenario: &Scenario,
    systems: &[SearchedSystem],
    agents: Option<Arc<Agents>>,
    plan: &SearchPlan,
    out: &Path,
) -> Result<Vec<CapacityReport>, RunError> {
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
    let mut environments = vec![Environment::default(); systems.len()];
    let several = systems.len() > 1;
    let findings = capacity::find(plan, systems.len(), &stop, async |which, number, rate| {
        let system = &systems[which];
        let of = system
            .label
            .as_ref()
            .map_or_else(String::new, |l| format!(" of {l}"));
        note(&format!(
            "probe {number}{of}: {}",
            loadgen_render::capacity::rate(rate)
        ));
        let scenario = arguments.probe(rate).map_err(|e| {
            RunError::BadInput(format!(
                "the scenario's file has changed since the search started: {e}"
            ))
        })?;
        let folder = match several {
            true => out.join(Side::ALL[which].folder()),
            false => out.to_owned(),
        };
        let folder = folder.join(format!("{number:02}-{rate}"));
        let options = arguments.run_options(OutFolder::claim(&folder)?, system, agents.clone());
        let warn = |error: &RunError| note(&format!("warning: {error}"));
        let measured = capacity::measure(number, rate, scenario, options, warn).await;
        let (probe, report) = measured?;
        environments[which] = report.environment;
        let line = loadgen_render::capacity::line(&probe, environments[which].cores);
        note(&line);
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
    let all = systems.iter().zip(environments).zip(findings);
    let reports = all.map(|((system, environment), findings)| CapacityReport {
        label: system.label.clone(),
        ..CapacityReport::new(started_at, setting.clone(), environment, findings)
    });
    Ok(reports.collect())
}
