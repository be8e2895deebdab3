//! One run from beginning to end: the target (started here if none is given), the drivers, the collecting of their figures, the
//! report. The only module that knows all stages.

mod closing;
mod collecting;
mod control;
mod cost_readings;
mod drivers;
mod interrupts;
mod listeners;
mod observer;
mod options;
mod preparation;
mod profiler;
mod ramp;
mod replay;

use std::path::Path;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use collecting::{Collected, incomplete};
use cost_readings::CostReadings;
pub use drivers::drivers_each;
pub use interrupts::Interrupts;
use listeners::Listeners;
use observer::Observer;
pub use options::{RunError, RunObservers, RunOptions};
use preparation::Run;
use profiler::Profiler;
use ramp::Ramp;
use replay::Replay;

use crate::descriptors;
use crate::loads::loads;
use crate::run_event::RunEvent;
use crate::small_pages::SmallPages;
use loadgen_engine::drive::{self, Assignment, Variables};
use loadgen_engine::fault::Recovery;
use loadgen_engine::proc::process_cpu_time;
use loadgen_engine::record::Figures;
use loadgen_engine::record::interval_log::LogWriteError;
use loadgen_engine::scrape::Scrape;
use loadgen_report::folder::{self, RunFolder};
use loadgen_report::{Evidence, Report, Windows};
use loadgen_scenario::Scenario;
use loadgen_scenario::expression::{Vars, unix_seconds};
use loadgen_scenario::share::Share;
use loadgen_shop::OrderShop;
use loadgen_shop::system_process::{RedisNetwork, SystemCommand, SystemPlan, SystemProcess};

/// Runs a scenario and writes its report into the folder.
pub async fn run(mut scenario: Scenario, mut options: RunOptions) -> Result<Report, RunError> {
    descriptors::take_all_granted();
    // Listen before a child process is started: Ctrl-C must never leave one behind.
    let RunObservers { listeners, wishes } = std::mem::take(&mut options.observers);
    let can_hold = wishes.is_some();
    let mut listeners = Listeners(listeners);
    let mut interrupts = Interrupts::listen(wishes)
        .map_err(|e| RunError::BadInput(format!("can't listen for signals: {e}")))?;
    if options.profile {
        profiler::check(options.out.path()).await?;
    }
    let generators = options.agents.as_ref().map(|agents| agents.count);
    let drivers = drivers_each(&scenario, options.drivers, generators)?;
    let replay = Replay::plan(
        &scenario,
        options.trace.as_deref(),
        options.speed,
        options.seed,
    )?;
    if let Some(replay) = &replay {
        // The pause of the last journeys is not the target's slowness.
        scenario.limits.drain_timeout += replay.pay_after;
    }
    let system = match &options.target {
        Some(_) => None,
        None => {
            let plan = match options.system.clone() {
                Some(plan) => plan,
                None => SystemPlan::new(SystemCommand::ordershop(None)?),
            };
            let log = options.out.path().join("ordershop.log");
            let network = match scenario.disturbs_network() {
                true => RedisNetwork::Proxied,
                false => RedisNetwork::Own,
            };
            Some(SystemProcess::start(&plan, &log, network).await?)
        }
    };
    let url = options
        .target
        .clone()
        .or_else(|| system.as_ref().map(|s| s.url.clone()))
        .unwrap_or_default();
    let prepared = tokio::select! {
        prepared = Run::prepare(scenario, &options, drivers, &url, system.clone(), &mut listeners) => prepared,
        () = interrupts.stop() => Err(RunError::Stopped),
    };
    let outcome = match prepared {
        Ok(mut run) => {
            run.ramp = run.ramp.filter(|_| can_hold);
            run.carry_out(replay, &mut interrupts, &mut listeners).await
        }
        Err(e) => Err(e),
    };
    let farewell = match system {
        Some(system) => system.stop().await,
        None => Vec::new(),
    };
    let (mut report, log_error) = outcome?;
    report.warnings.extend(farewell);
    let written = write(&report, options.out.path()).map_err(|e| e.to_string());
    listeners.tell(&RunEvent::Judged {
        result: report.verdict.result().as_str(),
        reasons: report.verdict.reasons().to_vec(),
    });
    match written.and_then(|()| log_error.map_or(Ok(()), |e| Err(e.to_string()))) {
        Ok(()) => Ok(report),
        Err(problem) => Err(RunError::Unwritten {
            path: options.out.path().to_owned(),
            problem,
            report: Box::new(report),
        }),
    }
}

fn write(report: &Report, folder: &Path) -> std::io::Result<()> {
    folder::write_report(report, folder)?;
    // Rendered from the folder, as it can be at any time later.
    let folder = RunFolder::open(folder).map_err(std::io::Error::other)?;
    loadgen_render::run::write_all(&folder).map_err(std::io::Error::other)
}

impl Run {
    /// Makes the report, and tells why its interval logs are incomplete.
    async fn carry_out(
        mut self,
        replay: Option<Replay>,
        interrupts: &mut Interrupts,
        listeners: &mut Listeners,
    ) -> Result<(Report, Option<LogWriteError>), RunError> {
        let _pages = SmallPages::only();
        listeners.tell(&RunEvent::Announced(Box::new(self.plan(replay.as_ref()))));
        let (mut arrivals, mut variables, mut facts) = (None, Vars::new(), None);
        if let Some(replay) = replay {
            arrivals = Some(replay.arrivals);
            variables = replay.variables;
            facts = Some(replay.facts);
            self.warnings.extend(replay.notes);
        }
        let schedule = self.ramp.as_ref().map(Ramp::follow);
        let shares = match &self.agents {
            // They have all of them.
            Some(_) => 0,
            None => self.drivers,
        };
        let shares = Share::all(shares);
        let loads = loads(
            &self.scenario,
            self.seed,
            shares,
            schedule.as_ref(),
            arrivals,
        );
        let (events, mut told) = mpsc::unbounded_channel();
        let (faults_told, mut faults) = mpsc::unbounded_channel();
        let (go, wait) = oneshot::channel();
        let stop = CancellationToken::new();
        let (scenario, targets, seed) = (self.scenario.clone(), self.targets(), self.seed);
        let assignment = Assignment {
            scenario,
            targets,
            loads,
            variables: Variables::BeforeSetUp(variables),
            seed,
            meanings: self.is_audited().then_some(&OrderShop),
            events,
            go: wait,
            stop: stop.clone(),
            abort: None,
        };
        match self.agents.take() {
            Some(agents) => agents.lead(assignment, schedule),
            None => drop(drive::spawn(assignment).map_err(|e| {
                RunError::BadInput(format!("the drivers' thread can't be started: {e}"))
            })?),
        }
        let mut collected = Collected {
            figures: Figures::new(
                self.scenario.step_names.len(),
                self.scenario.await_names.len(),
                self.scenario.workloads.len(),
            ),
            logs: None,
            log_error: None,
            started_at: unix_seconds(),
            before: None,
            cpu_before: (Duration::ZERO, None),
            observer: Observer::new(self.system.clone()),
            profiler: self.profiler.take(),
            cost_readings: CostReadings::new(self.system.clone(), self.scenario.warm_up()),
            windows: Windows::new(&self.scenario, Scrape::default()),
            prepared: None,
            faults_told,
            injector: None,
            recovery: Recovery::default(),
            abort: None,
            draining: false,
        };
        let mut finished = self
            .collect(
                (&mut told, &mut faults),
                go,
                &stop,
                &mut collected,
                interrupts,
                listeners,
            )
            .await?;
        collected.profiler.iter_mut().for_each(Profiler::stop);
        let outcomes = match collected.injector.take() {
            Some(injector) => injector.finish().await,
            None => Vec::new(),
        };
        let undone = self.scenario.faults.len() - outcomes.len();
        if undone > 0 {
            self.warnings
                .push(format!("{undone} faults did not begin before the end"));
        }
        let faults = loadgen_report::faults(&outcomes, &collected.recovery, finished.arrivals_end);
        let (after, backlog_drain) = self
            .drain_backlog(
                finished.drained,
                &stop,
                &mut collected,
                interrupts,
                listeners,
            )
            .await?;
        let readings = collected.cost_readings.end(after.as_ref());
        let process_cpu = process_cpu_time()
            .unwrap_or_default()
            .saturating_sub(collected.cpu_before.0);
        let system_now = self.system_cpu();
        let system_cpu = system_now
            .zip(collected.cpu_before.1)
            .map(|(now, before)| now.saturating_sub(before));
        let audit = match self.is_audited() {
            true => {
                let ledger = finished.ledger.take();
                let ledger = ledger.filter(|_| self.has_whole_ledger(&finished));
                self.audited(ledger, interrupts, listeners).await
            }
            false => None,
        };
        // Only after the audit: it needs the data that tear-down removes.
        if let Some(variables) = collected.prepared.take() {
            self.tear_down(variables, interrupts, listeners).await;
        }
        // Nothing is measured any more.
        let profile = match collected.profiler.take() {
            Some(profiler) => {
                let (profile, warnings) = profiler.finish(interrupts).await;
                self.warnings.extend(warnings);
                profile
            }
            None => None,
        };
        if let Some(logs) = &mut collected.logs
            && let Err(error) = logs.finish()
        {
            self.warnings
                .extend(incomplete(&mut collected.log_error, error));
        }
        if finished.feed_reconnects > 0 {
            self.warnings.push(format!(
                "the live feed's connection broke {} times; it was resumed without losing events",
                finished.feed_reconnects
            ));
        }
        // A service without events has none, and nothing is amiss.
        let has_events = self.system.is_some() || !self.scenario.awaited().is_empty();
        if has_events && after.as_ref().is_none_or(|a| a.event_lag.is_empty()) {
            self.warnings
                .push("no event lag: the target's /metrics has no such metric".into());
        }
        let report = loadgen_report::build(Evidence {
            scenario: &self.scenario,
            fingerprint: self.fingerprint,
            seed: self.seed,
            started_at: collected.started_at,
            environment: self.environment,
            figures: &collected.figures,
            finished: &finished,
            scrapes: after.map(|after| (collected.before.unwrap_or_default(), after)),
            windows: &collected.windows,
            backlog_drain,
            process_cpu,
            system_cpu,
            readings,
            profile,
            replay: facts,
            audit,
            faults,
            interrupted: self.interrupted,
            abort: collected.abort,
            holds: self.ramp.as_ref().map_or(&[], |ramp| &ramp.holds),
            series: collected.observer.series,
            warnings: self.warnings,
        });
        Ok((report, collected.log_error))
    }
}
