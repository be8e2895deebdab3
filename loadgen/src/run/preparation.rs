//! Before the first journey: the target is reached, faults and drivers are checked, the load is planned.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::control::Control;
use super::drivers;
use super::options::{RunError, RunOptions};
use super::profiler::Profiler;
use super::ramp::Ramp;
use super::replay::Replay;
use crate::run_event::{PlannedWorkload, RunPlan};
use loadgen_engine::drive::{Load, Targets};
use loadgen_engine::fault::{self, StartedSystem};
use loadgen_engine::http_client::{ConnectOptions, ProxyChoice, Target};
use loadgen_engine::proc::group_cpu_time;
use loadgen_engine::schedule::{Arrivals, Crowd, Schedule, Spacing, of_workload};
use loadgen_report::{Environment, Interruption};
use loadgen_scenario::fault::Fault;
use loadgen_scenario::share::Share;
use loadgen_scenario::{Scenario, Workload, WorkloadKind};
use loadgen_shop::system_process::SystemProcess;

/// A run, ready to be carried out.
pub struct Run {
    pub scenario: Arc<Scenario>,
    pub seed: u64,
    pub audit: bool,
    pub out: PathBuf,
    pub drivers: usize,
    pub control: Control,
    /// The targets of the scenario's `[targets]`, in its order.
    pub named_targets: Vec<Target>,
    pub environment: Environment,
    /// The system that was started here.
    pub system: Option<Arc<dyn StartedSystem>>,
    /// Samples the system that was started here, if that was asked for.
    pub profiler: Option<Profiler>,
    /// Set if the workload has a schedule that can be held.
    pub ramp: Option<Ramp>,
    /// What the user ended early, if anything.
    pub interrupted: Option<Interruption>,
    pub warnings: Vec<String>,
}

/// The faults that the scenario leaves to the lot.
fn drawn(scenario: &Scenario, seed: u64, system: Option<&dyn StartedSystem>) -> Vec<Fault> {
    let (Some(chaos), Some(end)) = (&scenario.chaos, scenario.duration()) else {
        return Vec::new();
    };
    let services = system.map(fault::services).unwrap_or_default();
    chaos.schedule(end, seed, &services)
}

/// How targets are reached: through the scenario's proxy, unless the command line says it.
fn connect(scenario: &Scenario, options: &RunOptions) -> ConnectOptions {
    let mut connect = options.connect.clone();
    if let (ProxyChoice::Environment, Some(proxy)) = (&connect.proxy, &scenario.http.proxy) {
        connect.proxy = ProxyChoice::named(proxy);
    }
    connect
}

/// Resolves the targets of `[targets]` and checks that each can be reached.
async fn named_targets(
    scenario: &Scenario,
    connect: &ConnectOptions,
) -> Result<Vec<Target>, RunError> {
    let mut targets = Vec::with_capacity(scenario.targets.len());
    for named in &scenario.targets {
        let (name, url) = (&named.name, &named.url);
        let wrong = |problem: String| RunError::BadInput(format!("the target `{name}`: {problem}"));
        let target = Target::resolve(url, connect).await.map_err(wrong)?;
        target
            .reach()
            .await
            .map_err(|e| wrong(format!("{url} can't be reached: {e}")))?;
        targets.push(target);
    }
    Ok(targets)
}

impl Run {
    /// Where the scenario's requests go.
    pub fn targets(&self) -> Targets {
        Targets {
            main: self.control.target().clone(),
            named: self.named_targets.clone(),
        }
    }

    /// Checks the target and all that the run needs.
    pub async fn prepare(
        mut scenario: Scenario,
        options: &RunOptions,
        url: &str,
        system: Option<Arc<SystemProcess>>,
    ) -> Result<Self, RunError> {
        let connect = connect(&scenario, options);
        let to_main = match &system {
            // A system that was started here is reached directly.
            Some(_) => &ConnectOptions::default(),
            None => &connect,
        };
        let target = Target::resolve(url, to_main)
            .await
            .map_err(|e| RunError::BadInput(format!("--target: {e}")))?;
        // Fail before anything is measured, instead of a report full of refused connections.
        target.reach().await.map_err(|e| {
            RunError::BadInput(format!("the target {} can't be reached: {e}", target.url))
        })?;
        let named_targets = named_targets(&scenario, &connect).await?;
        let proxied = target.proxy().map(|proxy| {
            let by = match (&options.connect.proxy, &scenario.http.proxy) {
                (ProxyChoice::Named(_), _) => "--proxy",
                (_, Some(_)) => "the scenario names it; --proxy none for a direct connection",
                _ => "the environment names it; --proxy none for a direct connection",
            };
            format!(
                "the requests went through the proxy {proxy} ({by}): its time is in all figures"
            )
        });
        let control = Control::new(target).await;
        let mut environment = control.environment(system.is_some()).await;
        let named = scenario.targets.iter().zip(&named_targets);
        let named = named.map(|(named, target)| (named.name.clone(), target.url.clone()));
        environment.targets = named.collect();
        let mut warnings = scenario.warnings.clone();
        warnings.extend(proxied);
        if let Some(system) = &system {
            environment.system_command = Some(system.command());
            // What is measured must be what was asked for.
            warnings.extend(system.check(&environment)?);
        }
        let system = system.map(|system| system as Arc<dyn StartedSystem>);
        let drawn = drawn(&scenario, options.seed, system.as_deref());
        scenario.faults.extend(drawn);
        fault::check(&scenario.faults, system.as_deref()).map_err(RunError::BadInput)?;
        let drivers = drivers::count(&scenario, options.drivers)?;
        let ramp = match scenario.workloads.as_slice() {
            [only] if only.is_open() => Some(Ramp::new(only.stages_of_the_run())),
            _ => None,
        };
        let warm_up = scenario.warm_up();
        let profiler = match system.clone().filter(|_| options.profile) {
            Some(system) => Some(Profiler::new(system, warm_up, options.out.path()).await?),
            None => None,
        };
        let (scenario, out) = (Arc::new(scenario), options.out.path().to_owned());
        Ok(Self {
            scenario,
            seed: options.seed,
            audit: options.audit,
            out,
            drivers,
            control,
            named_targets,
            environment,
            system,
            profiler,
            ramp,
            interrupted: None,
            warnings,
        })
    }

    /// CPU time of a system that was started here, with its Redis.
    pub fn system_cpu(&self) -> Option<Duration> {
        group_cpu_time(&self.system.as_ref()?.roots())
    }

    /// How the drivers are loaded: by driver, its share of each workload. Recorded arrivals have one driver.
    pub fn loads(&self, mut replay: Option<Arrivals>) -> Vec<Vec<Load>> {
        let shares = Share::all(self.drivers);
        shares
            .map(|share| {
                let workloads = self.scenario.workloads.iter().enumerate();
                let loads = workloads
                    .filter_map(|(index, workload)| self.load(index, workload, share, &mut replay));
                loads.collect()
            })
            .collect()
    }

    fn load(
        &self,
        index: usize,
        workload: &Workload,
        share: Share,
        replay: &mut Option<Arrivals>,
    ) -> Option<Load> {
        Some(match &workload.kind {
            WorkloadKind::Trace => Load::Open {
                arrivals: replay.take()?,
            },
            WorkloadKind::Closed { think_time, .. } => Load::Closed {
                crowd: Crowd::new(workload.stages_of_the_run()),
                think_time: *think_time,
            },
            WorkloadKind::Open { poisson, .. } => {
                let schedule = Schedule::new(workload.stages_of_the_run());
                let seed = of_workload(self.seed, index);
                let spacing = match poisson {
                    true => Spacing::Poisson(seed),
                    false => Spacing::Even,
                };
                let arrivals = Arrivals::scheduled(schedule, spacing, &workload.mix, seed, share);
                let arrivals = match &self.ramp {
                    Some(ramp) => arrivals.following(ramp.follow()),
                    None => arrivals,
                };
                Load::Open { arrivals }
            }
        })
    }

    /// What is announced.
    pub fn plan(&self, replay: Option<&Replay>) -> RunPlan {
        let scenario = &self.scenario;
        let stages = match scenario.workloads.as_slice() {
            [only] if only.is_open() => only.stages_of_the_run(),
            _ => Vec::new(),
        };
        let workloads = scenario.workloads.iter().filter(|w| !w.name.is_empty());
        let workloads = workloads.map(|w| PlannedWorkload {
            name: w.name.clone(),
            stages: match w.is_open() {
                true => w.stages_of_the_run(),
                false => Vec::new(),
            },
        });
        let replayed = replay.map(|r| r.facts.length);
        RunPlan {
            scenario: scenario.name.clone(),
            description: scenario.description.clone(),
            target: self.control.target().url.clone(),
            drivers: self.drivers,
            duration: replayed.or(scenario.duration()),
            warm_up: scenario.warm_up(),
            stages,
            workloads: workloads.collect(),
            steps: scenario.step_names.clone(),
            awaits: scenario.await_names.clone(),
            slip_p99_max: scenario.limits.slip_p99_max,
            dropped_pct_max: scenario.limits.dropped_pct_max,
            note: replay.map(Replay::announcement),
        }
    }
}
