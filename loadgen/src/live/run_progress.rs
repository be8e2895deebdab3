//! The state of a run that the screen shows, built from the run's events in bounded memory. Must not know how it is drawn.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::run_event::{Observed, RunEvent, RunPlan};
use loadgen_engine::drive::Interval;
use loadgen_engine::fault::FaultEvent;
use loadgen_engine::record::series::{Point, Series};
use loadgen_engine::record::{StepFigures, Times, WorkloadFigures};
use loadgen_engine::schedule::Schedule;
use loadgen_engine::scrape::LagStatistics;
use loadgen_report::Quantiles;
use loadgen_report::ThresholdState;

/// Log lines that are kept.
const NEWS_MAX: usize = 100;
/// Different errors that are kept; the report has all of them.
const ERRORS_MAX: usize = 100;

/// The phase of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Set-up, with the current step.
    Preparing(String),
    /// Journeys are started.
    Running,
    /// Waiting for journeys in flight.
    Draining,
    /// Waiting for the target's backlog.
    Settling,
    /// The audit, with the number of events read.
    Auditing(u64),
    /// Tear-down, which undoes the set-up.
    TearingDown,
    /// The report has been written.
    Over,
}

/// The quantiles of one interval; if intervals are joined, the worst value counts.
#[derive(Debug, Clone, Default)]
pub struct Moment {
    /// Response time of all steps.
    pub response_time: Option<Quantiles>,
    /// Schedule slip of journeys: actual − intended start.
    pub slip: Option<Quantiles>,
    /// End-to-end latency of each awaited state.
    pub end_to_end: Vec<Option<Quantiles>>,
    /// CPU of each driver in percent of a core.
    pub drivers_cpu_pct: Vec<f64>,
}

/// An error of one kind in one step.
#[derive(Debug, Clone, Default)]
pub struct SeenError {
    /// Number of errors.
    pub count: u64,
    /// The latest example.
    pub example: String,
}

/// The state of a run.
#[derive(Debug)]
pub struct RunProgress {
    /// The plan of the run.
    pub plan: RunPlan,
    /// The current phase.
    pub phase: Phase,
    /// Whether a stop was requested.
    pub stopping: bool,
    /// Start and rate of the current hold, in journeys a second.
    pub held: Option<(Duration, f64)>,
    /// Counts and readings of each interval.
    pub series: Series,
    /// Quantiles of each interval of the series.
    pub moments: Vec<Moment>,
    /// Response time of all requests so far.
    pub response_time: Times,
    /// Figures of each step so far.
    pub steps: Vec<StepFigures>,
    /// Figures of each workload so far.
    pub workloads: Vec<WorkloadFigures>,
    /// Errors by step and kind.
    pub errors: BTreeMap<(String, String), SeenError>,
    /// The state of each threshold.
    pub threshold_states: Vec<ThresholdState>,
    /// Event lag since the start.
    pub lag: LagStatistics,
    /// Entries not yet handled.
    pub backlog: Option<u64>,
    /// The plot of journeys in flight.
    pub in_flight: usize,
    /// Log lines with their time.
    pub news: Vec<(Option<Duration>, String)>,
    /// The final verdict and its reasons, as soon as there is one.
    pub judged: Option<(&'static str, Vec<String>)>,
    /// Number of events received; the screen compares it to know whether to draw again.
    pub told: u64,
    schedule: Option<Schedule>,
    started: Option<Instant>,
    /// Length of a moment in seconds, the same as the series' interval.
    moment_s: u64,
}

impl Default for RunProgress {
    fn default() -> Self {
        Self {
            plan: RunPlan::default(),
            phase: Phase::Preparing("connecting to the target".to_owned()),
            stopping: false,
            held: None,
            series: Series::default(),
            moments: Vec::new(),
            response_time: Times::default(),
            steps: Vec::new(),
            workloads: Vec::new(),
            errors: BTreeMap::new(),
            threshold_states: Vec::new(),
            lag: LagStatistics::default(),
            backlog: None,
            in_flight: 0,
            news: Vec::new(),
            judged: None,
            told: 0,
            schedule: None,
            started: None,
            moment_s: 1,
        }
    }
}

impl Moment {
    fn join(&mut self, other: Self) {
        worse(&mut self.response_time, other.response_time);
        worse(&mut self.slip, other.slip);
        let length = self.end_to_end.len().max(other.end_to_end.len());
        self.end_to_end.resize(length, None);
        let states = self.end_to_end.iter_mut().zip(other.end_to_end);
        states.for_each(|(mine, theirs)| worse(mine, theirs));
        if self.drivers_cpu_pct.is_empty() {
            self.drivers_cpu_pct = other.drivers_cpu_pct;
        } else {
            let drivers = self.drivers_cpu_pct.iter_mut().zip(other.drivers_cpu_pct);
            drivers.for_each(|(mine, theirs)| *mine = mine.max(theirs));
        }
    }
}

fn worse(mine: &mut Option<Quantiles>, theirs: Option<Quantiles>) {
    let (Some(a), Some(b)) = (mine.as_mut(), theirs.as_ref()) else {
        *mine = mine.take().or(theirs);
        return;
    };
    a.count += b.count;
    for (a, b) in [
        (&mut a.p50, b.p50),
        (&mut a.p90, b.p90),
        (&mut a.p99, b.p99),
        (&mut a.p999, b.p999),
        (&mut a.max, b.max),
    ] {
        *a = a.max(b);
    }
}

fn quantiles(times: &Times) -> Option<Quantiles> {
    (!times.0.is_empty()).then(|| times.into())
}

impl RunProgress {
    /// Updates the state by an event.
    pub fn event(&mut self, event: &RunEvent) {
        self.told += 1;
        match event {
            RunEvent::Announced(plan) => {
                self.plan = RunPlan::clone(plan);
                let stages = plan.stages.clone();
                self.schedule = (!stages.is_empty()).then(|| Schedule::new(stages));
                plan.note.iter().for_each(|note| self.say(note.clone()));
            }
            RunEvent::Waiting { what } => self.say(format!("waiting for {what}")),
            RunEvent::SetUp { step } => {
                self.phase = Phase::Preparing(step.clone());
                self.say(format!("set-up: {step}"));
            }
            RunEvent::Ready => {
                self.phase = Phase::Preparing("waiting for the backlog of the set-up".into());
            }
            RunEvent::Started { at, .. } => {
                self.started = Some(*at);
                self.phase = Phase::Running;
                self.say("started".to_owned());
            }
            RunEvent::Interval(interval) => self.interval(interval),
            RunEvent::Observed(seen) => self.seen(seen),
            RunEvent::Held { at, rate } => {
                self.held = Some((*at, *rate));
                self.say(format!("held at {rate:.1}/s"));
            }
            RunEvent::Resumed { stages, .. } => {
                self.held = None;
                let schedule = Schedule::new(stages.clone());
                self.plan.duration = Some(schedule.duration());
                self.schedule = Some(schedule);
                self.say("the schedule continues".to_owned());
            }
            RunEvent::Stopping => {
                self.stopping = true;
                self.say("stopping: no new journeys".to_owned());
            }
            RunEvent::Aborting { threshold, figure } => {
                self.stopping = true;
                self.say(format!("aborting: {threshold}: {figure}"));
            }
            RunEvent::Draining { in_flight } => {
                self.phase = Phase::Draining;
                self.say(format!("no new journeys; {in_flight} in flight"));
            }
            RunEvent::Finished { .. } => self.phase = Phase::Settling,
            RunEvent::Auditing { events } => self.phase = Phase::Auditing(*events),
            RunEvent::TearDown => self.phase = Phase::TearingDown,
            RunEvent::Fault(FaultEvent::Began { what }) => self.say(format!("fault: {what}")),
            RunEvent::Fault(FaultEvent::Ended(outcome)) => self.say(outcome.text()),
            RunEvent::Warning(text) => self.say(format!("warning: {text}")),
            RunEvent::Judged { result, reasons } => {
                self.phase = Phase::Over;
                self.judged = Some((result, reasons.clone()));
            }
            RunEvent::Failed(refusal) => self.say(format!("failed: {refusal}")),
        }
    }

    fn say(&mut self, text: String) {
        if self.news.len() == NEWS_MAX {
            self.news.remove(0);
        }
        self.news.push((self.elapsed(), text));
    }

    /// Time since the start of the schedule.
    pub fn elapsed(&self) -> Option<Duration> {
        self.started.map(|at| at.elapsed())
    }

    /// Remaining time in which journeys are started; `None` if unknown.
    pub fn left(&self) -> Option<Duration> {
        match self.held {
            Some(_) => None,
            None => Some(self.plan.duration?.saturating_sub(self.elapsed()?)),
        }
    }

    /// The rate that is asked for at a time of the run, in journeys a second.
    pub fn asked(&self, at: Duration) -> Option<f64> {
        match self.held {
            Some((since, rate)) if at >= since => Some(rate),
            _ => Some(self.schedule.as_ref()?.rate_at(at)),
        }
    }

    /// The current stage, from 1, and the number of stages; `None` for other workloads and after the last stage.
    pub fn stage(&self) -> Option<(usize, usize)> {
        let stages = &self.plan.stages;
        let elapsed = self.elapsed()?;
        let mut end = Duration::ZERO;
        let index = stages.iter().position(|s| {
            end += s.duration;
            elapsed < end
        });
        index.map(|i| (i + 1, stages.len()))
    }

    fn interval(&mut self, interval: &Interval) {
        let figures = &interval.figures;
        self.series.count(interval.start, &Point::of(interval));
        self.in_flight = interval.in_flight;
        let (response, _) = figures.all_steps();
        let moment = Moment {
            response_time: quantiles(&response),
            slip: quantiles(&figures.schedule_slip()),
            end_to_end: figures
                .awaits
                .iter()
                .map(|a| quantiles(&a.end_to_end))
                .collect(),
            drivers_cpu_pct: Vec::new(),
        };
        self.moment(interval.start).join(moment);
        self.response_time.add(&response);
        self.workloads
            .resize(figures.workloads.len(), WorkloadFigures::default());
        for (mine, theirs) in self.workloads.iter_mut().zip(&figures.workloads) {
            mine.add(theirs);
        }
        self.steps
            .resize(figures.steps.len(), StepFigures::default());
        for (mine, theirs) in self.steps.iter_mut().zip(&figures.steps) {
            mine.add(theirs);
        }
        for (key, error) in &figures.errors {
            if self.errors.len() >= ERRORS_MAX && !self.errors.contains_key(key) {
                continue;
            }
            let mine = self.errors.entry(key.clone()).or_default();
            mine.count += error.count;
            if let Some(example) = error.examples.last() {
                mine.example.clone_from(example);
            }
        }
    }

    fn seen(&mut self, seen: &Observed) {
        self.series.see(seen.at, &seen.observation);
        let drivers_cpu_pct = seen.drivers_cpu_pct.clone();
        self.moment(seen.at).join(Moment {
            drivers_cpu_pct,
            ..Moment::default()
        });
        // While the backlog drains, thresholds are no longer evaluated.
        if !seen.threshold_states.is_empty() {
            self.threshold_states.clone_from(&seen.threshold_states);
        }
        self.lag = seen.lag;
        self.backlog = seen.backlog;
    }

    /// The moment of a time, in the same intervals as the series.
    fn moment(&mut self, at: Duration) -> &mut Moment {
        let interval_s = self.series.interval_s;
        let index = (at.as_secs() / interval_s) as usize;
        // The series has halved its resolution, so two moments are joined into one.
        while self.moment_s < interval_s {
            let halved = std::mem::take(&mut self.moments).into_iter();
            let mut pairs: Vec<Moment> = Vec::new();
            for (i, moment) in halved.enumerate() {
                match (i % 2, pairs.last_mut()) {
                    (1, Some(last)) => last.join(moment),
                    _ => pairs.push(moment),
                }
            }
            self.moments = pairs;
            self.moment_s *= 2;
        }
        if self.moments.len() <= index {
            self.moments.resize_with(index + 1, Moment::default);
        }
        &mut self.moments[index]
    }

    /// The verdict so far, PASS, FAIL, INVALID or INTERRUPTED, with the reasons if it is not PASS.
    pub fn verdict(&self) -> (&'static str, Vec<String>) {
        if let Some((result, reasons)) = &self.judged {
            return (result, reasons.clone());
        }
        let doubts = self.doubts();
        if !doubts.is_empty() {
            return ("INVALID", doubts);
        }
        let missed = self
            .threshold_states
            .iter()
            .filter(|s| s.holds == Some(false));
        let missed: Vec<String> = missed
            .map(|s| format!("{}: {}", s.threshold, s.figure))
            .collect();
        match missed.is_empty() {
            true => ("PASS", missed),
            false => ("FAIL", missed),
        }
    }

    /// Why the run is INVALID so far.
    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        let slip_max = self.plan.slip_p99_max;
        for (index, workload) in self.workloads.iter().enumerate() {
            let named = self.plan.workloads.get(index);
            let of = named.map_or_else(String::new, |w| format!(" of {}", w.name));
            let stages = named.map_or(&self.plan.stages, |w| &w.stages);
            let slip = workload.schedule_slip.0.value_at_quantile(0.99);
            if !stages.is_empty() && u128::from(slip) > slip_max.as_micros() {
                let slip = loadgen_report::units::time(slip as f64);
                doubts.push(format!("slip p99{of} {slip}: the generator is late"));
            }
            let counts = &workload.journeys;
            let lost = counts.dropped + counts.unsent;
            let lost_pct = 100.0 * lost as f64 / (counts.started + lost).max(1) as f64;
            if lost_pct > self.plan.dropped_pct_max {
                doubts.push(format!("{lost_pct:.1} % of the arrivals{of} were not sent"));
            }
        }
        doubts
    }
}
