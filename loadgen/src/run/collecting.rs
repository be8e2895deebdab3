//! During the workload: collects every event of the drivers, passes it to the listeners, and adds observations of the
//! target and the machine in the same second. Must not know how a report is built.

use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::cost_readings::CostReadings;
use super::interrupts::Interrupts;
use super::listeners::{Listeners, telling};
use super::observer::Observer;
use super::options::RunError;
use super::preparation::Run;
use super::profiler::Profiler;
use super::ramp::Ramp;

use crate::run_event::Observed;
use crate::run_event::RunEvent;
use crate::run_event::Wish;
use loadgen_engine::drive::DriverEvent;
use loadgen_engine::drive::Finished;
use loadgen_engine::drive::Interval;
use loadgen_engine::fault::FaultContext;
use loadgen_engine::fault::FaultEvent;
use loadgen_engine::fault::Injector;
use loadgen_engine::fault::Recovery;
use loadgen_engine::proc::process_cpu_time;
use loadgen_engine::record::Figures;
use loadgen_engine::record::interval_log::IntervalLogs;
use loadgen_engine::record::interval_log::LogWriteError;
use loadgen_engine::scrape::Scrape;
use loadgen_report::Abort;
use loadgen_report::Interruption;
use loadgen_report::SoFar;
use loadgen_report::ThresholdState;
use loadgen_report::Windows;
use loadgen_scenario::expression::Vars;

/// What has been collected from the drivers.
pub(super) struct Collected {
    pub(super) figures: Figures,
    pub(super) logs: Option<IntervalLogs>,
    /// Why the logs are incomplete.
    pub(super) log_error: Option<LogWriteError>,
    pub(super) started_at: f64,
    pub(super) before: Option<Scrape>,
    pub(super) cpu_before: (Duration, Option<Duration>),
    /// The run's series.
    pub(super) observer: Observer,
    /// The readings for a journey's cost.
    pub(super) cost_readings: CostReadings,
    /// Samples the system, if that was asked for.
    pub(super) profiler: Option<Profiler>,
    pub(super) windows: Windows,
    /// The variables that set-up made, if tear-down needs them.
    pub(super) prepared: Option<Vars>,
    /// The channel for faults' events.
    pub(super) faults_told: mpsc::UnboundedSender<FaultEvent>,
    /// Faults in progress.
    pub(super) injector: Option<Injector>,
    pub(super) recovery: Recovery,
    /// The threshold that ended the run.
    pub(super) abort: Option<Abort>,
    /// Whether no new journeys start: then there is nothing left to abort.
    pub(super) draining: bool,
}

impl Collected {
    /// The abort that these states ask for, if the run goes on.
    fn abort(
        &self,
        states: &[ThresholdState],
        at: Duration,
        stop: &CancellationToken,
    ) -> Option<Abort> {
        if self.draining || stop.is_cancelled() {
            return None;
        }
        let threshold = states.iter().position(|state| state.aborts)?;
        Some(Abort {
            threshold,
            at,
            figure: states[threshold].figure.clone(),
        })
    }
}

/// Notes why the interval logs are incomplete; returns a warning the first time. A full disk stays full.
pub(super) fn incomplete(
    noted: &mut Option<LogWriteError>,
    error: LogWriteError,
) -> Option<String> {
    if noted.is_some() {
        return None;
    }
    let warning = format!("intervals are missing from the interval logs: {error}");
    *noted = Some(error);
    Some(warning)
}

impl Run {
    /// Starts the scenario's faults; `None` if it has none.
    pub(super) fn injector(
        &self,
        start: Instant,
        events: &mpsc::UnboundedSender<FaultEvent>,
        stop: &CancellationToken,
    ) -> Option<Injector> {
        let faults = self.scenario.faults.clone();
        (!faults.is_empty()).then(|| {
            let context = FaultContext {
                system: self.system.clone(),
                target: self.control.target().url.clone(),
                start: start.into(),
                stop: stop.clone(),
                events: events.clone(),
            };
            Injector::start(faults, context)
        })
    }

    /// Collects until the drivers have ended.
    pub(super) async fn collect(
        &mut self,
        (told, faults): (
            &mut mpsc::UnboundedReceiver<DriverEvent>,
            &mut mpsc::UnboundedReceiver<FaultEvent>,
        ),
        go: oneshot::Sender<Option<Instant>>,
        stop: &CancellationToken,
        collected: &mut Collected,
        interrupts: &mut Interrupts,
        listeners: &mut Listeners,
    ) -> Result<Finished, RunError> {
        let mut go = Some(go);
        loop {
            let event = tokio::select! {
                // Wishes first: while a slow target is asked for its metrics, a second's figures are always waiting.
                biased;
                wish = interrupts.next() => {
                    let told = match wish {
                        Wish::Stop if stop.is_cancelled() => return Err(RunError::Aborted),
                        Wish::Stop => {
                            stop.cancel();
                            self.interrupted = Some(match collected.draining {
                                true => Interruption::Drain,
                                false => Interruption::Workload,
                            });
                            Some(RunEvent::Stopping)
                        }
                        Wish::ToggleHold => self.ramp.as_mut().and_then(Ramp::turn),
                    };
                    told.iter().for_each(|event| listeners.tell(event));
                    continue;
                }
                Some(fault) = faults.recv() => {
                    listeners.tell(&RunEvent::Fault(fault));
                    continue;
                }
                event = told.recv() => event,
            };
            let Some(event) = event else {
                return Err(RunError::SetUp(
                    "the drivers' thread ended unexpectedly".into(),
                ));
            };
            match event {
                DriverEvent::SetUp { step } => listeners.tell(&RunEvent::SetUp { step }),
                DriverEvent::Prepared { variables } => collected.prepared = Some(variables),
                DriverEvent::Ready => {
                    listeners.tell(&RunEvent::Ready);
                    // Set-up's backlog must not count as the workload's.
                    let timeout = self.scenario.limits.backlog_timeout;
                    let drained = telling(self.control.drained(timeout), || {
                        listeners.tell_waiting(format!(
                            "the target's backlog before the start, at /metrics, about {timeout:?} at most"
                        ));
                    });
                    collected.before = tokio::select! {
                        (before, _) = drained => before,
                        () = interrupts.stop() => {
                            stop.cancel();
                            return Err(RunError::Stopped);
                        }
                    };
                    collected.cpu_before =
                        (process_cpu_time().unwrap_or_default(), self.system_cpu());
                    collected.observer.start(collected.before.clone());
                    collected.cost_readings.start(collected.before.as_ref());
                    collected.profiler.iter_mut().for_each(Profiler::start);
                    let before = collected.before.clone().unwrap_or_default();
                    collected.windows = Windows::new(&self.scenario, before);
                    if let Some(go) = go.take() {
                        go.send(None).ok();
                    }
                }
                DriverEvent::Started { at, wall_clock } => {
                    listeners.tell(&RunEvent::Started { at, wall_clock });
                    if let Some(ramp) = &mut self.ramp {
                        ramp.started(at);
                    }
                    collected.started_at = wall_clock
                        .duration_since(SystemTime::UNIX_EPOCH)
                        .map_or(0.0, |d| d.as_secs_f64());
                    collected.injector = self.injector(at, &collected.faults_told, stop);
                    collected.logs = Some(IntervalLogs::create(
                        &self.out,
                        &self.scenario.step_names,
                        &self.scenario.await_names,
                        wall_clock,
                    )?);
                }
                DriverEvent::Interval(mut interval) => {
                    // It is passed on after its gap is closed.
                    collected.observer.close_gap(&mut interval);
                    let event = RunEvent::Interval(interval);
                    listeners.tell(&event);
                    if let RunEvent::Interval(interval) = &event {
                        let seen = self.take_in(interval, collected).await;
                        let end = interval.start + interval.length;
                        let abort = collected.abort(&seen.threshold_states, end, stop);
                        let missed = abort
                            .as_ref()
                            .map(|abort| &seen.threshold_states[abort.threshold]);
                        let aborting = missed.map(|missed| RunEvent::Aborting {
                            threshold: missed.threshold.clone(),
                            figure: missed.figure.clone(),
                        });
                        listeners.tell(&RunEvent::Observed(Box::new(seen)));
                        if let Some(event) = aborting {
                            stop.cancel();
                            listeners.tell(&event);
                            collected.abort = abort;
                        }
                    }
                }
                DriverEvent::Warning(text) => {
                    listeners.tell(&RunEvent::Warning(text.clone()));
                    self.warnings.push(text);
                }
                DriverEvent::Finished(finished) => {
                    listeners.tell(&RunEvent::Finished {
                        arrivals_end: finished.arrivals_end,
                        drained: finished.drained,
                    });
                    return Ok(finished);
                }
                DriverEvent::Failed(refusal) => {
                    listeners.tell(&RunEvent::Failed(refusal.to_string()));
                    return Err(refusal.into());
                }
                DriverEvent::Draining { in_flight } => {
                    listeners.tell(&RunEvent::Draining { in_flight });
                    collected.windows.draining();
                    collected.draining = true;
                }
            }
        }
    }

    /// Adds an interval's figures, and observes the target and the machine.
    pub(super) async fn take_in(
        &mut self,
        interval: &Interval,
        collected: &mut Collected,
    ) -> Observed {
        collected.figures.add(&interval.figures);
        if collected.injector.is_some() {
            // What failed or found no answer is what a fault is felt by.
            let felt = interval.figures.felt();
            let p99 = (!felt.0.is_empty()).then(|| felt.0.value_at_quantile(0.99) as f64);
            collected
                .recovery
                .second(interval.start, interval.length, p99);
        }
        collected.observer.interval(interval);
        if let Some(logs) = &mut collected.logs
            && let Err(error) = logs.add(&interval.figures, interval.start, interval.length)
        {
            self.warnings
                .extend(incomplete(&mut collected.log_error, error));
        }
        // Bounded by a second: a target that does not answer must not block the collecting.
        let scrape = self.control.scrape();
        let now = tokio::time::timeout(Duration::from_secs(1), scrape).await;
        let now = now.ok().flatten();
        let windows = &mut collected.windows;
        windows.interval(&interval.figures, interval.start, now.as_ref());
        let observation = collected.observer.look(interval.start, now.as_ref());
        collected.cost_readings.interval(interval, now.as_ref());
        if let Some(profiler) = &mut collected.profiler {
            profiler.interval(interval);
        }
        let before = collected.before.clone().unwrap_or_default();
        let so_far = SoFar {
            scenario: &self.scenario,
            figures: &collected.figures,
            windows: &collected.windows,
            scrapes: now.as_ref().map(|now| (&before, now)),
            elapsed: interval.start + interval.length,
        };
        let threshold_states = so_far.threshold_states();
        Observed {
            at: interval.start,
            observation,
            drivers_cpu_pct: collected.observer.drivers_cpu_pct.clone(),
            lag: now
                .as_ref()
                .map(|n| n.lag_since(&before))
                .unwrap_or_default(),
            backlog: now
                .filter(|n| !n.backlog.is_empty())
                .map(|n| n.backlog_total()),
            threshold_states,
        }
    }
}
