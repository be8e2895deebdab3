//! Plain progress lines on standard error, one each second and one for each event, for logs and simple terminals.

use std::time::Duration;

use crate::run_event::{Listener, RunEvent, RunPlan};
use crate::terminal;
use loadgen_engine::drive::Interval;
use loadgen_engine::fault::FaultEvent;
use loadgen_engine::record::Times;
use loadgen_engine::schedule::Schedule;
use loadgen_engine::scrape::LagStatistics;
use loadgen_report::units::time;

/// The progress lines of a run.
pub struct Lines {
    say: Box<dyn FnMut(&str)>,
    plan: RunPlan,
    schedule: Option<Schedule>,
    held: Option<(Duration, f64)>,
    lag: LagStatistics,
    backlog: Option<u64>,
}

impl Default for Lines {
    /// Writes to standard error.
    fn default() -> Self {
        Self::new(terminal::note)
    }
}

impl Lines {
    /// Passes each line to `say`.
    pub fn new(say: impl FnMut(&str) + 'static) -> Self {
        Self {
            say: Box::new(say),
            plan: RunPlan::default(),
            schedule: None,
            held: None,
            lag: LagStatistics::default(),
            backlog: None,
        }
    }

    fn asked(&self, at: Duration) -> Option<f64> {
        match self.held {
            Some((since, rate)) if at >= since => Some(rate),
            _ => Some(self.schedule.as_ref()?.rate_at(at)),
        }
    }

    /// What each of several workloads completed of what it was asked.
    fn workload_rates(&self, interval: &Interval) -> String {
        let length_s = interval.length.as_secs_f64();
        let workloads = self.plan.workloads.iter().zip(&interval.figures.workloads);
        let rates = workloads.map(|(planned, figures)| {
            let done = figures.journeys.completed as f64 / length_s;
            let asked = planned
                .asked(interval.start)
                .map(|rate| format!(" of {rate:.0}"));
            format!("{} {done:.0}/s{}", planned.name, asked.unwrap_or_default())
        });
        let rates: Vec<String> = rates.collect();
        match rates.is_empty() {
            true => String::new(),
            false => format!(" ({})", rates.join(", ")),
        }
    }

    fn interval(&self, interval: &Interval) -> String {
        let (response, _) = interval.figures.all_steps();
        let quantiles = |times: &Times| match times.0.is_empty() {
            true => "–".to_owned(),
            false => format!(
                "{} / {}",
                time(times.0.value_at_quantile(0.5) as f64),
                time(times.0.value_at_quantile(0.99) as f64)
            ),
        };
        let end = interval.start + interval.length;
        let of = self
            .plan
            .duration
            .map_or_else(String::new, |d| format!("/{:.0}", d.as_secs_f64()));
        let asked = self
            .asked(interval.start + interval.length / 2)
            .map_or_else(String::new, |rate| format!(" of {rate:.0} asked"));
        let rate = interval.started as f64 / interval.length.as_secs_f64();
        let rates = self.workload_rates(interval);
        let errors: u64 = interval.figures.errors.values().map(|e| e.count).sum();
        let mut line = format!(
            "{:.0}{of} s  {rate:.0}/s{asked}{rates}  in flight {}  errors {errors}  response p50/p99 {}",
            end.as_secs_f64(),
            interval.in_flight,
            quantiles(&response)
        );
        if let (Some(name), Some(awaits)) =
            (self.plan.awaits.last(), interval.figures.awaits.last())
        {
            line += &format!("  {name} {}", quantiles(&awaits.end_to_end));
        }
        if self.lag.count > 0 {
            line += &format!(
                "  lag {} / {}",
                time(self.lag.p50_us),
                time(self.lag.p99_us)
            );
        }
        if let Some(backlog) = self.backlog {
            line += &format!("  backlog {backlog}");
        }
        line
    }
}

impl Listener for Lines {
    fn event(&mut self, event: &RunEvent) {
        let line = match event {
            RunEvent::Announced(plan) => {
                self.plan = RunPlan::clone(plan);
                let stages = plan.stages.clone();
                self.schedule = (!stages.is_empty()).then(|| Schedule::new(stages));
                plan.note.clone()
            }
            RunEvent::Waiting { what } => Some(format!("waiting for {what}")),
            RunEvent::SetUp { step } => Some(format!("set-up: {step}")),
            RunEvent::Started { .. } => Some("started".to_owned()),
            // A fraction of a second at the end has too few samples for a rate.
            RunEvent::Interval(interval) if interval.length < Duration::from_millis(500) => None,
            RunEvent::Interval(interval) => Some(self.interval(interval)),
            RunEvent::Observed(seen) => {
                self.lag = seen.lag;
                self.backlog = seen.backlog;
                None
            }
            RunEvent::Held { at, rate } => {
                self.held = Some((*at, *rate));
                Some(format!("held at {rate:.1}/s from {:.1} s", at.as_secs_f64()))
            }
            RunEvent::Resumed { at, stages } => {
                self.held = None;
                self.plan.duration = Some(stages.iter().map(|s| s.duration).sum());
                self.schedule = Some(Schedule::new(stages.clone()));
                Some(format!("the schedule continues from {:.1} s", at.as_secs_f64()))
            }
            RunEvent::Stopping => Some("stopping: no new journeys, waiting for those in flight (interrupt again to stop at once)".to_owned()),
            RunEvent::Aborting { threshold, figure } => Some(format!(
                "aborting: {threshold}: {figure}; no new journeys, waiting for those in flight (interrupt to stop at once)"
            )),
            RunEvent::Draining { in_flight } => {
                Some(format!("no new journeys; {in_flight} in flight"))
            }
            RunEvent::Auditing { events: 0 } => {
                Some("audit: reading what happened on the target (interrupt to skip it)".to_owned())
            }
            RunEvent::TearDown => Some("tear-down (interrupt to skip the rest)".to_owned()),
            RunEvent::Fault(FaultEvent::Began { what }) => Some(format!("fault: {what}")),
            RunEvent::Fault(FaultEvent::Ended(outcome)) => Some(outcome.text()),
            RunEvent::Warning(text) => Some(format!("warning: {text}")),
            _ => None,
        };
        if let Some(line) = line {
            (self.say)(&line);
        }
    }
}
