//! One run from beginning to end: the target (started here if none is given), the driver, the collecting of what it records, the
//! report. The only place that knows all stages.

mod control;
mod descriptors;
mod drivers;
mod interrupts;
mod observer;
mod options;
mod replay;
mod small_pages;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use control::Control;
use interrupts::Interrupts;
use observer::Observer;
pub use options::{RunError, RunOptions};
use replay::Replay;
use small_pages::SmallPages;

use crate::audit::{self, AuditReport, AuditScope};
use crate::drive::{self, Assignment, Load, group_cpu_time, process_cpu_time};
use crate::http_client::Target;
use crate::metrics_scrape::Scrape;
use crate::progress::{AuditProgress, Progress};
use crate::record::Figures;
use crate::record::interval_log::IntervalLogs;
use crate::record::ledger::Ledger;
use crate::report::folder::{self, RunFolder};
use crate::report::{self, Environment, Evidence, Report, Windows};
use crate::run_event::{Finished, RunEvent};
use crate::scenario::expression::{Vars, unix_seconds};
use crate::scenario::{Scenario, Workload};
use crate::schedule::{self, Arrivals, Schedule};
use crate::share::Share;
use crate::system_process::SystemProcess;

/// Runs a scenario and writes its report into the folder.
pub async fn run(mut scenario: Scenario, options: RunOptions) -> Result<Report, RunError> {
    descriptors::take_all_granted();
    // From here on, before a child is started: Ctrl-C must never leave one behind.
    let mut interrupts = Interrupts::listen()
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
        None => Some(
            SystemProcess::start(
                options.system_bin.as_deref(),
                &options.durability,
                &options.out.join("ordershop.log"),
            )
            .await?,
        ),
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
        Ok(run) => run.carry_out(replay, &mut interrupts).await,
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
    Ok(report)
}

fn write(report: &Report, folder: &Path) -> std::io::Result<()> {
    folder::write_report(report, folder)?;
    // Rendered from the folder, as it can be at any later time.
    let folder = RunFolder::open(folder).map_err(std::io::Error::other)?;
    crate::render::write_all(&folder).map_err(std::io::Error::other)
}

struct Run {
    scenario: Arc<Scenario>,
    seed: u64,
    audit: bool,
    out: PathBuf,
    drivers: usize,
    control: Control,
    environment: Environment,
    system_id: Option<u32>,
    progress: Progress,
    warnings: Vec<String>,
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
    windows: Windows,
    /// What set-up made, where tear-down needs it.
    prepared: Option<Vars>,
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
        let drivers = drivers::count(&scenario, options.drivers)?;
        let control = Control::new(target).await;
        let environment = control.environment(system_id.is_some()).await;
        let progress = Progress::new(
            asked(&scenario),
            scenario.workload.duration(),
            scenario.await_names.clone(),
        );
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
            progress,
            warnings: Vec::new(),
        })
    }

    fn load(&self, replay: Option<Arrivals>) -> Load {
        match (&self.scenario.workload, replay) {
            (Workload::Trace, arrivals) => Load::Open {
                arrivals: arrivals.into_iter().collect(),
                end: None,
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
                let end = Some(schedule.duration());
                let arrivals =
                    Share::all(self.drivers).map(|share| self.arrivals(&schedule, share));
                Load::Open {
                    arrivals: arrivals.collect(),
                    end,
                }
            }
        }
    }

    fn arrivals(&self, schedule: &Schedule, share: Share) -> Arrivals {
        let (journeys, seed, schedule) = (&self.scenario.journeys, self.seed, schedule.clone());
        match self.scenario.poisson {
            true => schedule::arrivals(schedule.poisson(seed), journeys, seed, share),
            false => schedule::arrivals(schedule.even(), journeys, seed, share),
        }
    }

    async fn carry_out(
        mut self,
        replay: Option<Replay>,
        interrupts: &mut Interrupts,
    ) -> Result<Report, RunError> {
        let _pages = SmallPages::only();
        let (mut arrivals, mut variables, mut facts) = (None, Vars::new(), None);
        if let Some(replay) = replay {
            self.progress.say(&replay.announcement());
            self.progress.length(replay.facts.length);
            arrivals = Some(replay.arrivals);
            variables = replay.variables;
            facts = Some(replay.facts);
        }
        let load = self.load(arrivals);
        let (events, mut told) = mpsc::unbounded_channel();
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
            windows: Windows::new(&self.scenario, Scrape::default()),
            prepared: None,
        };
        let mut finished = self
            .collect(&mut told, go, &stop, &mut collected, interrupts)
            .await?;
        let (observer, drained) = (&mut collected.observer, finished.drained);
        let (after, backlog_drain) = self
            .control
            .drained_while(self.scenario.limits.backlog_timeout, |since, scrape| {
                observer.look(drained + since, Some(scrape));
            })
            .await;
        let process_cpu = process_cpu_time()
            .unwrap_or_default()
            .saturating_sub(collected.cpu_before.0);
        let system_now = self.system_id.and_then(group_cpu_time);
        let system_cpu = system_now
            .zip(collected.cpu_before.1)
            .map(|(now, before)| now.saturating_sub(before));
        self.progress.finish();
        let audit = match finished.ledger.take() {
            Some(ledger) => self.audited(ledger, interrupts).await,
            None => None,
        };
        // Only now: the audit looks at what there was.
        if let Some(variables) = collected.prepared.take() {
            self.tear_down(variables, interrupts).await;
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
            replay: facts,
            audit,
            stopped: stop.is_cancelled(),
            series: collected.observer.series,
            warnings: self.warnings,
        }))
    }

    /// Undoes what set-up made; left at once when it is interrupted.
    async fn tear_down(&mut self, variables: Vars, interrupts: &mut Interrupts) {
        self.progress
            .say("tear-down (interrupt: leave what is left)");
        let target = self.control.target().clone();
        let work = drive::tear_down(&self.scenario, target, variables, self.seed);
        let failures = tokio::select! {
            failures = work => failures,
            () = interrupts.next() => vec!["tear-down was interrupted: what set-up made is not all undone".to_owned()],
        };
        self.warnings.extend(failures);
    }

    /// Audits the target; none when that was interrupted.
    async fn audited(
        &mut self,
        ledger: Ledger,
        interrupts: &mut Interrupts,
    ) -> Option<AuditReport> {
        let scope = AuditScope {
            ledger: Some(ledger),
            from_nothing: self.system_id.is_some(),
            drain_timeout: audit::DRAIN_TIMEOUT_DEFAULT,
        };
        let progress = AuditProgress::new();
        let told = |events| progress.read(events);
        tokio::select! {
            outcome = audit::audit(self.control.target().clone(), &scope, &told) => {
                Some(outcome.unwrap_or_else(|error| AuditReport::of_error(&error)))
            }
            () = interrupts.next() => {
                self.warnings.push("the audit was interrupted: nobody knows whether the target did right".into());
                None
            }
        }
    }

    /// Until the driver has ended.
    async fn collect(
        &mut self,
        told: &mut mpsc::UnboundedReceiver<RunEvent>,
        go: oneshot::Sender<()>,
        stop: &CancellationToken,
        collected: &mut Collected,
        interrupts: &mut Interrupts,
    ) -> Result<Finished, RunError> {
        let mut go = Some(go);
        loop {
            let event = tokio::select! {
                event = told.recv() => event,
                () = interrupts.next() => {
                    if stop.is_cancelled() {
                        return Err(RunError::SetUp("left at once: no report".into()));
                    }
                    self.progress.say("stopping: no new journeys, those in flight are waited for (once more: leave at once)");
                    stop.cancel();
                    continue;
                }
            };
            let Some(event) = event else {
                return Err(RunError::SetUp(
                    "the driver has ended without a word".into(),
                ));
            };
            self.progress.event(&event);
            match event {
                RunEvent::Prepared { variables } => collected.prepared = Some(variables),
                RunEvent::Ready => {
                    // What set-up left behind must not count as the workload's.
                    collected.before = self
                        .control
                        .drained(self.scenario.limits.backlog_timeout)
                        .await
                        .0;
                    collected.cpu_before = (
                        process_cpu_time().unwrap_or_default(),
                        self.system_id.and_then(group_cpu_time),
                    );
                    collected.observer.start(collected.before.clone());
                    let before = collected.before.clone().unwrap_or_default();
                    collected.windows = Windows::new(&self.scenario, before);
                    if let Some(go) = go.take() {
                        go.send(()).ok();
                    }
                }
                RunEvent::Started { wall_clock, .. } => {
                    collected.started_at = wall_clock
                        .duration_since(SystemTime::UNIX_EPOCH)
                        .map_or(0.0, |d| d.as_secs_f64());
                    collected.logs = Some(IntervalLogs::create(
                        &self.out,
                        &self.scenario.step_names,
                        &self.scenario.await_names,
                        wall_clock,
                    )?);
                }
                RunEvent::Interval(mut interval) => {
                    collected.observer.close_gap(&mut interval);
                    collected.figures.add(&interval.figures);
                    collected.observer.interval(&interval);
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
                    collected.observer.look(interval.start, now.as_ref());
                    if let Some(now) = now {
                        self.progress
                            .scraped(&collected.before.clone().unwrap_or_default(), &now);
                    }
                }
                RunEvent::Warning(text) => self.warnings.push(text),
                RunEvent::Finished(finished) => return Ok(finished),
                RunEvent::Failed(refusal) => return Err(refusal.into()),
                RunEvent::Draining { .. } => collected.windows.draining(),
                RunEvent::SetUp { .. } => {}
            }
        }
    }
}

fn asked(scenario: &Scenario) -> Box<dyn Fn(Duration) -> Option<f64> + Send> {
    match &scenario.workload {
        Workload::Open { stages } => {
            let schedule = Schedule::new(stages.clone());
            Box::new(move |at| Some(schedule.rate_at(at)))
        }
        _ => Box::new(|_| None),
    }
}
