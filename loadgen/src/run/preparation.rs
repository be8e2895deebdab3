//! Before the first journey: the target is reached, faults and drivers are checked, the load is planned.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::control::{self, Control};
use super::listeners::{Listeners, telling};
use super::options::{RunError, RunOptions};
use super::profiler::Profiler;
use super::ramp::{AHEAD, AHEAD_OF_AGENTS, Ramp};
use super::replay::Replay;
use crate::agents::{Engaged, Task};
use crate::run_event::{PlannedWorkload, RunPlan};
use crate::targets;
use loadgen_engine::drive::Targets;
use loadgen_engine::fault::{self, StartedSystem};
use loadgen_engine::http_client::{ConnectOptions, ProxyChoice, Target};
use loadgen_engine::proc::group_cpu_time;
use loadgen_report::{Environment, Interruption};
use loadgen_scenario::Scenario;
use loadgen_scenario::fault::Fault;
use loadgen_shop::system_process::SystemProcess;

/// A run, ready to be carried out.
pub struct Run {
    pub scenario: Arc<Scenario>,
    /// What the scenario asks for.
    pub fingerprint: String,
    pub seed: u64,
    pub audit: bool,
    pub out: PathBuf,
    /// The drivers of all generators.
    pub drivers: usize,
    /// Who drives the load in the place of this process.
    pub agents: Option<Engaged>,
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
        drivers_each: usize,
        url: &str,
        system: Option<Arc<SystemProcess>>,
        listeners: &mut Listeners,
    ) -> Result<Self, RunError> {
        let connect = targets::connect(&scenario, &options.connect);
        let to_main = match &system {
            // A system that was started here is reached directly.
            Some(_) => &ConnectOptions::default(),
            None => &connect,
        };
        let target = telling(targets::main(url, to_main), || {
            listeners.tell_waiting(format!("a connection to {url}"));
        });
        let target = target.await.map_err(RunError::BadInput)?;
        let named_targets = telling(targets::named(&scenario, &connect), || {
            listeners.tell_waiting("connections to the scenario's [targets]");
        });
        let named_targets = named_targets.await;
        let named_targets = named_targets.map_err(RunError::BadInput)?;
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
        let met = telling(Control::new(target, system.is_some()), || {
            let timeout = control::LIMITS.timeout;
            listeners.tell_waiting(format!(
                "the target's answers at /health and /metrics, {timeout:?} at most; a target needs neither"
            ));
        });
        let (control, mut environment) = met.await;
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
        let ahead = match options.agents {
            Some(_) => AHEAD_OF_AGENTS,
            None => AHEAD,
        };
        let ramp = match scenario.workloads.as_slice() {
            [only] if only.is_open() => Some(Ramp::new(only.stages_of_the_run(), ahead)),
            _ => None,
        };
        let warm_up = scenario.warm_up();
        let profiler = match system.clone().filter(|_| options.profile) {
            Some(system) => Some(Profiler::new(system, warm_up, options.out.path()).await?),
            None => None,
        };
        let agents = match &options.agents {
            Some(agents) => {
                let task = Task {
                    scenario: &scenario,
                    target: url,
                    seed: options.seed,
                    noted: scenario.audit && options.audit,
                    drivers_each,
                };
                Some(agents.engage(&task).await?)
            }
            None => None,
        };
        let fingerprint = scenario.fingerprint().map_err(RunError::BadInput)?;
        let (scenario, out) = (Arc::new(scenario), options.out.path().to_owned());
        Ok(Self {
            scenario,
            fingerprint,
            seed: options.seed,
            audit: options.audit,
            out,
            drivers: drivers_each * options.agents.as_ref().map_or(1, |agents| agents.count),
            agents,
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

    /// Whether the target is audited after the run.
    pub fn is_audited(&self) -> bool {
        self.scenario.audit && self.audit
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
