//! One run from beginning to end: the target (started here if none is given), the driver, the collecting of what it records, the
//! report. The only place that knows all stages.

mod control;
mod descriptors;
mod drivers;
mod interrupts;
mod meter;
mod observer;
mod options;
mod ramp;
mod replay;
mod small_pages;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use control::Control;
pub use interrupts::Interrupts;
use meter::Meter;
use observer::Observer;
pub use options::{Audience, RunError, RunOptions};
use ramp::Ramp;
use replay::Replay;
use small_pages::SmallPages;

use crate::audit::{self, AuditReport, AuditScope};
use crate::drive::{self, Assignment, Load, group_cpu_time, process_cpu_time};
use crate::fault::{self, Injector, Recovery, Scene};
use crate::http_client::Target;
use crate::metrics_scrape::Scrape;
use crate::record::Figures;
use crate::record::interval_log::IntervalLogs;
use crate::record::ledger::Ledger;
use crate::report::folder::{self, RunFolder};
use crate::report::{self, Environment, Evidence, Report, SoFar, Windows};
use crate::run_event::{Finished, Interval, Listener, Plan, RunEvent, Seen, Wish};
use crate::scenario::expression::{Vars, unix_seconds};
use crate::scenario::{Scenario, Workload};
use crate::schedule::{Arrivals, Schedule, Spacing};
use crate::share::Share;
use crate::system_process::{SystemCommand, SystemProcess};

/// Runs a scenario and writes its report into the folder.
pub async fn run(mut scenario: Scenario, mut options: RunOptions) -> Result<Report, RunError> {
    descriptors::take_all_granted();
    // From here on, before a child is started: Ctrl-C must never leave one behind.
    let Audience { listeners, wishes } = std::mem::take(&mut options.audience);
    let can_hold = wishes.is_some();
    let mut listeners = Listeners(listeners);
    let mut interrupts = Interrupts::listen(wishes)
        .map_err(|e| RunError::BadInput(format!("signals can't be received: {e}")))?;
    let replay = Replay::plan(
        &scenario,
        options.trace.as_deref(),
        options.speed,
        options.seed,
    )?;
    if let Some(replay) = &replay {
        // The pause of the last journeys is no slowness of the target.
        scenario.limits.drain_timeout += replay.pay_after;
    }
    std::fs::create_dir_all(&options.out).map_err(|error| RunError::Output {
        path: options.out.clone(),
        error,
    })?;
    let system = match &options.target {
        Some(_) => None,
        None => {
            let command = match options.system.clone() {
                Some(command) => command,
                None => SystemCommand::ordershop(None)?,
            };
            let log = options.out.join("ordershop.log");
            Some(SystemProcess::start(&command, &options.durability, &log).await?)
        }
    };
    let url = options
        .target
        .clone()
        .or_else(|| system.as_ref().map(|s| s.url.clone()))
        .unwrap_or_default();
    let outcome = Run::prepare(
        scenario,
        &options,
        &url,
        system.as_ref().and_then(SystemProcess::id),
    )
    .await;
    let outcome = match outcome {
        Ok(mut run) => {
            run.ramp = run.ramp.filter(|_| can_hold);
            run.carry_out(replay, &mut interrupts, &mut listeners).await
        }
        Err(e) => Err(e),
    };
    let farewell = match system {
        Some(system) => system.stop().await,
        None => None,
    };
    let mut report = outcome?;
    report.warnings.extend(farewell);
    write(&report, &options.out).map_err(|error| RunError::Output {
        path: options.out.clone(),
        error,
    })?;
    listeners.tell(&RunEvent::Judged {
        result: report.verdict.result.as_str(),
        reasons: report.verdict.reasons.clone(),
    });
    Ok(report)
}

/// Those who look on.
struct Listeners(Vec<Box<dyn Listener>>);

impl Listeners {
    fn tell(&mut self, event: &RunEvent) {
        self.0.iter_mut().for_each(|l| l.event(event));
    }
}

fn write(report: &Report, folder: &Path) -> std::io::Result<()> {
    folder::write_report(report, folder)?;
    // Rendered from the folder, as it can be at any later time.
    let folder = RunFolder::open(folder).map_err(std::io::Error::other)?;
    crate::render::write_all(&folder).map_err(std::io::Error::other)
}

/// An audit's progress is told after so many events.
const AUDIT_TOLD_EVERY: u64 = 1_000;

struct Run {
    scenario: Arc<Scenario>,
    seed: u64,
    audit: bool,
    out: PathBuf,
    drivers: usize,
    control: Control,
    environment: Environment,
    system_id: Option<u32>,
    /// Where the workload has a schedule, and somebody might hold it.
    ramp: Option<Ramp>,
    warnings: Vec<String>,
}

/// What the drivers tell, and where faults may tell more as long as they do.
struct Told {
    events: mpsc::UnboundedReceiver<RunEvent>,
    for_faults: mpsc::WeakUnboundedSender<RunEvent>,
}

/// What has been collected from the driver.
struct Collected {
    figures: Figures,
    logs: Option<IntervalLogs>,
    started_at: f64,
    before: Option<Scrape>,
    cpu_before: (Duration, Option<Duration>),
    /// The run's course.
    observer: Observer,
    /// What a journey costs.
    meter: Meter,
    windows: Windows,
    /// What set-up made, where tear-down needs it.
    prepared: Option<Vars>,
    /// Faults under way.
    injector: Option<Injector>,
    recovery: Recovery,
}

impl Run {
    async fn prepare(
        scenario: Scenario,
        options: &RunOptions,
        url: &str,
        system_id: Option<u32>,
    ) -> Result<Self, RunError> {
        let target = Target::resolve(url, &options.tls)
            .await
            .map_err(|e| RunError::BadInput(format!("--target: {e}")))?;
        // Refused before anything is measured, instead of a report full of refused connections.
        target.connect().await.map_err(|e| {
            RunError::BadInput(format!("the target {} can't be reached: {e}", target.url))
        })?;
        fault::check(&scenario.faults, system_id).map_err(RunError::BadInput)?;
        let drivers = drivers::count(&scenario, options.drivers)?;
        let control = Control::new(target).await;
        let environment = control.environment(system_id.is_some()).await;
        let ramp = match &scenario.workload {
            Workload::Open { stages } => Some(Ramp::new(stages.clone())),
            _ => None,
        };
        let (scenario, out) = (Arc::new(scenario), options.out.clone());
        Ok(Self {
            scenario,
            seed: options.seed,
            audit: options.audit,
            out,
            drivers,
            control,
            environment,
            system_id,
            ramp,
            warnings: Vec::new(),
        })
    }

    fn load(&self, replay: Option<Arrivals>) -> Load {
        match (&self.scenario.workload, replay) {
            (Workload::Trace, arrivals) => Load::Open {
                arrivals: arrivals.into_iter().collect(),
            },
            (
                Workload::Closed {
                    users,
                    think_time,
                    duration,
                },
                _,
            ) => Load::Closed {
                users: *users,
                think_time: *think_time,
                duration: *duration,
                drivers: self.drivers,
            },
            (Workload::Open { stages }, _) => {
                let schedule = Schedule::new(stages.clone());
                let arrivals =
                    Share::all(self.drivers).map(|share| self.arrivals(&schedule, share));
                Load::Open {
                    arrivals: arrivals.collect(),
                }
            }
        }
    }

    fn arrivals(&self, schedule: &Schedule, share: Share) -> Arrivals {
        let (journeys, seed) = (&self.scenario.journeys, self.seed);
        let spacing = match self.scenario.poisson {
            true => Spacing::Poisson(seed),
            false => Spacing::Even,
        };
        let arrivals = Arrivals::scheduled(schedule.clone(), spacing, journeys, seed, share);
        match &self.ramp {
            Some(ramp) => arrivals.following(ramp.follow()),
            None => arrivals,
        }
    }

    fn plan(&self, replay: Option<&Replay>) -> Plan {
        let scenario = &self.scenario;
        let stages = match &scenario.workload {
            Workload::Open { stages } => stages.clone(),
            _ => Vec::new(),
        };
        let replayed = replay.map(|r| r.facts.length);
        Plan {
            scenario: scenario.name.clone(),
            description: scenario.description.clone(),
            target: self.control.target().url.clone(),
            drivers: self.drivers,
            duration: replayed.or(scenario.workload.duration()),
            warm_up: scenario.warm_up,
            stages,
            steps: scenario.step_names.clone(),
            awaits: scenario.await_names.clone(),
            slip_p99_max: scenario.limits.slip_p99_max,
            dropped_pct_max: scenario.limits.dropped_pct_max,
            note: replay.map(Replay::announcement),
        }
    }

    async fn carry_out(
        mut self,
        replay: Option<Replay>,
        interrupts: &mut Interrupts,
        listeners: &mut Listeners,
    ) -> Result<Report, RunError> {
        let _pages = SmallPages::only();
        listeners.tell(&RunEvent::Announced(Box::new(self.plan(replay.as_ref()))));
        let (mut arrivals, mut variables, mut facts) = (None, Vars::new(), None);
        if let Some(replay) = replay {
            arrivals = Some(replay.arrivals);
            variables = replay.variables;
            facts = Some(replay.facts);
        }
        let load = self.load(arrivals);
        let (events, told) = mpsc::unbounded_channel();
        let for_faults = events.downgrade();
        let mut told = Told {
            events: told,
            for_faults,
        };
        let (go, wait) = oneshot::channel();
        let stop = CancellationToken::new();
        let (scenario, target, seed) = (
            self.scenario.clone(),
            self.control.target().clone(),
            self.seed,
        );
        let assignment = Assignment {
            scenario,
            target,
            load,
            variables,
            seed,
            notes_writes: self.scenario.audit && self.audit,
            events,
            go: wait,
            stop: stop.clone(),
        };
        drive::spawn(assignment).map_err(|e| {
            RunError::BadInput(format!("the drivers' thread can't be started: {e}"))
        })?;
        let mut collected = Collected {
            figures: Figures::new(
                self.scenario.step_names.len(),
                self.scenario.await_names.len(),
            ),
            logs: None,
            started_at: unix_seconds(),
            before: None,
            cpu_before: (Duration::ZERO, None),
            observer: Observer::new(self.system_id),
            meter: Meter::new(self.system_id, self.scenario.warm_up),
            windows: Windows::new(&self.scenario, Scrape::default()),
            prepared: None,
            injector: None,
            recovery: Recovery::default(),
        };
        let mut finished = self
            .collect(&mut told, go, &stop, &mut collected, interrupts, listeners)
            .await?;
        let outcomes = match collected.injector.take() {
            Some(injector) => injector.finish().await,
            None => Vec::new(),
        };
        let undone = self.scenario.faults.len() - outcomes.len();
        if undone > 0 {
            self.warnings
                .push(format!("{undone} faults were not reached before the end"));
        }
        let faults = report::faults(&outcomes, &collected.recovery, finished.arrivals_end);
        let (after, backlog_drain) = self
            .drain_backlog(
                finished.drained,
                &stop,
                &mut collected,
                interrupts,
                listeners,
            )
            .await?;
        let readings = collected.meter.end(after.as_ref());
        let process_cpu = process_cpu_time()
            .unwrap_or_default()
            .saturating_sub(collected.cpu_before.0);
        let system_now = self.system_id.and_then(group_cpu_time);
        let system_cpu = system_now
            .zip(collected.cpu_before.1)
            .map(|(now, before)| now.saturating_sub(before));
        let audit = match finished.ledger.take() {
            Some(ledger) => self.audited(ledger, interrupts, listeners).await,
            None => None,
        };
        // Only now: the audit looks at what there was.
        if let Some(variables) = collected.prepared.take() {
            self.tear_down(variables, interrupts, listeners).await;
        }
        if let Some(logs) = &mut collected.logs {
            logs.finish()?;
        }
        if finished.feed_reconnects > 0 {
            self.warnings.push(format!(
                "the live feed broke {} × and was opened again where it had been",
                finished.feed_reconnects
            ));
        }
        if after.as_ref().is_none_or(|a| a.event_lag.is_empty()) {
            self.warnings
                .push("the target's /metrics tell no event lag".into());
        }
        if stop.is_cancelled() {
            self.warnings
                .push("the run was stopped before its end".into());
        }
        Ok(report::build(Evidence {
            scenario: &self.scenario,
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
            replay: facts,
            audit,
            faults,
            stopped: stop.is_cancelled(),
            holds: self.ramp.as_ref().map_or(&[], |ramp| &ramp.holds),
            series: collected.observer.series,
            warnings: self.warnings,
        }))
    }

    /// Waits for what the target has not handled yet. Interrupted, it waits no longer; a run that was stopped before is left.
    async fn drain_backlog(
        &mut self,
        drained: Duration,
        stop: &CancellationToken,
        collected: &mut Collected,
        interrupts: &mut Interrupts,
        listeners: &mut Listeners,
    ) -> Result<(Option<Scrape>, Duration), RunError> {
        let start = Instant::now();
        let before = collected.before.clone().unwrap_or_default();
        let (observer, timeout) = (
            &mut collected.observer,
            self.scenario.limits.backlog_timeout,
        );
        let work = self.control.drained_while(timeout, |since, scrape| {
            let at = drained + since;
            let sighting = observer.look(at, Some(scrape));
            listeners.tell(&RunEvent::Seen(Box::new(Seen {
                at,
                sighting,
                lag: scrape.lag_since(&before),
                backlog: (!scrape.backlog.is_empty()).then(|| scrape.backlog_total()),
                ..Seen::default()
            })));
        });
        tokio::select! {
            drained = work => return Ok(drained),
            () = interrupts.stop() => {}
        }
        if stop.is_cancelled() {
            return Err(left_at_once());
        }
        stop.cancel();
        listeners.tell(&RunEvent::Stopping);
        let last = tokio::time::timeout(Duration::from_secs(1), self.control.scrape()).await;
        Ok((last.ok().flatten(), start.elapsed()))
    }

    /// Undoes what set-up made; left at once when it is interrupted.
    async fn tear_down(
        &mut self,
        variables: Vars,
        interrupts: &mut Interrupts,
        listeners: &mut Listeners,
    ) {
        listeners.tell(&RunEvent::TearDown);
        let target = self.control.target().clone();
        let work = drive::tear_down(&self.scenario, target, variables, self.seed);
        let failures = tokio::select! {
            failures = work => failures,
            () = interrupts.stop() => vec!["tear-down was interrupted: what set-up made is not all undone".to_owned()],
        };
        self.warnings.extend(failures);
    }

    /// Audits the target; none when that was interrupted.
    async fn audited(
        &mut self,
        ledger: Ledger,
        interrupts: &mut Interrupts,
        listeners: &mut Listeners,
    ) -> Option<AuditReport> {
        let scope = AuditScope {
            ledger: Some(ledger),
            from_nothing: self.system_id.is_some(),
            drain_timeout: audit::DRAIN_TIMEOUT_DEFAULT,
        };
        listeners.tell(&RunEvent::Auditing { events: 0 });
        let listeners = std::cell::RefCell::new(listeners);
        let told = |events: u64| {
            if events.is_multiple_of(AUDIT_TOLD_EVERY) {
                listeners.borrow_mut().tell(&RunEvent::Auditing { events });
            }
        };
        tokio::select! {
            outcome = audit::audit(self.control.target().clone(), &scope, &told) => {
                Some(outcome.unwrap_or_else(|error| AuditReport::of_error(&error)))
            }
            () = interrupts.stop() => {
                self.warnings.push("the audit was interrupted: nobody knows whether the target did right".into());
                None
            }
        }
    }

    /// Nothing where the scenario has no faults.
    fn injector(
        &self,
        start: Instant,
        events: &mpsc::WeakUnboundedSender<RunEvent>,
        stop: &CancellationToken,
    ) -> Option<Injector> {
        let faults = self.scenario.faults.clone();
        (!faults.is_empty()).then(|| {
            let scene = Scene {
                system: self.system_id,
                target: self.control.target().url.clone(),
                start: start.into(),
                stop: stop.clone(),
                events: events.clone(),
            };
            Injector::start(faults, scene)
        })
    }

    /// Until the driver has ended.
    async fn collect(
        &mut self,
        told: &mut Told,
        go: oneshot::Sender<()>,
        stop: &CancellationToken,
        collected: &mut Collected,
        interrupts: &mut Interrupts,
        listeners: &mut Listeners,
    ) -> Result<Finished, RunError> {
        let mut go = Some(go);
        loop {
            let event = tokio::select! {
                event = told.events.recv() => event,
                wish = interrupts.next() => {
                    let told = match wish {
                        Wish::Stop if stop.is_cancelled() => return Err(left_at_once()),
                        Wish::Stop => {
                            stop.cancel();
                            Some(RunEvent::Stopping)
                        }
                        Wish::Hold => self.ramp.as_mut().and_then(Ramp::turn),
                    };
                    told.iter().for_each(|event| listeners.tell(event));
                    continue;
                }
            };
            let Some(event) = event else {
                return Err(RunError::SetUp(
                    "the driver has ended without a word".into(),
                ));
            };
            // An interval is told when it begins where the one before it ended.
            if !matches!(event, RunEvent::Interval(_)) {
                listeners.tell(&event);
            }
            match event {
                RunEvent::Prepared { variables } => collected.prepared = Some(variables),
                RunEvent::Ready => {
                    // What set-up left behind must not count as the workload's.
                    let drained = self.control.drained(self.scenario.limits.backlog_timeout);
                    collected.before = tokio::select! {
                        (before, _) = drained => before,
                        () = interrupts.stop() => {
                            stop.cancel();
                            return Err(RunError::SetUp("stopped before the start: no report".into()));
                        }
                    };
                    collected.cpu_before = (
                        process_cpu_time().unwrap_or_default(),
                        self.system_id.and_then(group_cpu_time),
                    );
                    collected.observer.start(collected.before.clone());
                    collected.meter.start(collected.before.as_ref());
                    let before = collected.before.clone().unwrap_or_default();
                    collected.windows = Windows::new(&self.scenario, before);
                    if let Some(go) = go.take() {
                        go.send(()).ok();
                    }
                }
                RunEvent::Started { at, wall_clock } => {
                    if let Some(ramp) = &mut self.ramp {
                        ramp.started(at);
                    }
                    collected.started_at = wall_clock
                        .duration_since(SystemTime::UNIX_EPOCH)
                        .map_or(0.0, |d| d.as_secs_f64());
                    collected.injector = self.injector(at, &told.for_faults, stop);
                    collected.logs = Some(IntervalLogs::create(
                        &self.out,
                        &self.scenario.step_names,
                        &self.scenario.await_names,
                        wall_clock,
                    )?);
                }
                RunEvent::Interval(mut interval) => {
                    collected.observer.close_gap(&mut interval);
                    let event = RunEvent::Interval(interval);
                    listeners.tell(&event);
                    if let RunEvent::Interval(interval) = &event {
                        let seen = self.take_in(interval, collected).await;
                        listeners.tell(&RunEvent::Seen(Box::new(seen)));
                    }
                }
                RunEvent::Warning(text) => self.warnings.push(text),
                RunEvent::Finished(finished) => return Ok(finished),
                RunEvent::Failed(refusal) => return Err(refusal.into()),
                RunEvent::Draining { .. } => collected.windows.draining(),
                _ => {}
            }
        }
    }

    /// Adds an interval to what has been collected, and looks at the target and the machine.
    async fn take_in(&mut self, interval: &Interval, collected: &mut Collected) -> Seen {
        collected.figures.add(&interval.figures);
        if collected.injector.is_some() {
            let (response, _) = interval.figures.all_steps();
            let p99 = (!response.0.is_empty()).then(|| response.0.value_at_quantile(0.99) as f64);
            collected
                .recovery
                .second(interval.start, interval.length, p99);
        }
        collected.observer.interval(interval);
        if let Some(logs) = &mut collected.logs
            && let Err(e) = logs.add(&interval.figures, interval.start, interval.length)
        {
            let missing = format!("an interval is missing in the logs: {e}");
            // Once for what goes on: a full disk stays full.
            if self.warnings.last() != Some(&missing) {
                self.warnings.push(missing);
            }
        }
        // Bounded by a second: a target that does not answer must not hold the collecting up.
        let scrape = self.control.scrape();
        let now = tokio::time::timeout(Duration::from_secs(1), scrape).await;
        let now = now.ok().flatten();
        let windows = &mut collected.windows;
        windows.interval(&interval.figures, interval.start, now.as_ref());
        let sighting = collected.observer.look(interval.start, now.as_ref());
        collected.meter.interval(interval, now.as_ref());
        let before = collected.before.clone().unwrap_or_default();
        let so_far = SoFar {
            scenario: &self.scenario,
            figures: &collected.figures,
            windows: &collected.windows,
            scrapes: now.as_ref().map(|now| (&before, now)),
            elapsed: interval.start + interval.length,
        };
        let standings = so_far.standings();
        Seen {
            at: interval.start,
            sighting,
            drivers_cpu_pct: collected.observer.drivers_cpu_pct.clone(),
            lag: now
                .as_ref()
                .map(|n| n.lag_since(&before))
                .unwrap_or_default(),
            backlog: now
                .filter(|n| !n.backlog.is_empty())
                .map(|n| n.backlog_total()),
            standings,
        }
    }
}

fn left_at_once() -> RunError {
    RunError::SetUp("left at once: no report".into())
}
