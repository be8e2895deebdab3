//! What is shown while a run is under way: a moving line in a terminal, a plain line a second elsewhere; always on standard
//! error. Fed by run events; decides nothing.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::fault::FaultEvent;
use crate::metrics_scrape::{LagStatistics, Scrape};
use crate::record::Times;
use crate::render::time;
use crate::run_event::{Interval, RunEvent};

/// The display of one run.
pub struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    asked: Box<dyn Fn(Duration) -> Option<f64> + Send>,
    duration: Option<Duration>,
    await_names: Vec<String>,
    lag: LagStatistics,
    backlog: Option<u64>,
}

impl Progress {
    /// `asked` tells the rate asked for at a time of the run, `duration` how long journeys are started; nothing is shown if `quiet`.
    pub fn new(
        asked: Box<dyn Fn(Duration) -> Option<f64> + Send>,
        duration: Option<Duration>,
        await_names: Vec<String>,
        quiet: bool,
    ) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            bar.set_style(style);
            bar
        });
        Self {
            bar,
            quiet,
            asked,
            duration,
            await_names,
            lag: LagStatistics::default(),
            backlog: None,
        }
    }

    /// How long journeys are started, where that is known only now.
    pub fn length(&mut self, duration: Duration) {
        self.duration = Some(duration);
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        if self.quiet {
            return;
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }

    /// Something has happened.
    pub fn event(&mut self, event: &RunEvent) {
        match event {
            RunEvent::SetUp { step } => self.say(&format!("set-up: {step}")),
            RunEvent::Started { .. } => self.say("started"),
            RunEvent::Interval(interval) => self.interval(interval),
            RunEvent::Draining { in_flight } => {
                self.say(&format!("no new journeys; {in_flight} in flight"))
            }
            RunEvent::Fault(FaultEvent::Began { what }) => self.say(&format!("fault: {what}")),
            RunEvent::Fault(FaultEvent::Ended(outcome)) => self.say(&outcome.said()),
            RunEvent::Warning(text) => self.say(&format!("warning: {text}")),
            RunEvent::Prepared { .. }
            | RunEvent::Ready
            | RunEvent::Finished(_)
            | RunEvent::Failed(_) => {}
        }
    }

    /// The target's metrics, compared with the look before.
    pub fn scraped(&mut self, before: &Scrape, now: &Scrape) {
        self.lag = now.lag_since(before);
        self.backlog = (!now.backlog.is_empty()).then(|| now.backlog_total());
    }

    fn interval(&self, interval: &Interval) {
        if self.quiet || interval.length < Duration::from_millis(500) {
            return;
        }
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
            .duration
            .map_or_else(String::new, |d| format!("/{:.0}", d.as_secs_f64()));
        let asked = (self.asked)(interval.start)
            .map_or_else(String::new, |rate| format!(" of {rate:.0} asked"));
        let rate = interval.started as f64 / interval.length.as_secs_f64();
        let errors: u64 = interval.figures.errors.values().map(|e| e.count).sum();
        let mut line = format!(
            "{:.0}{of} s  {rate:.0}/s{asked}  in flight {}  errors {errors}  response p50/p99 {}",
            end.as_secs_f64(),
            interval.in_flight,
            quantiles(&response)
        );
        if let (Some(name), Some(awaits)) =
            (self.await_names.last(), interval.figures.awaits.last())
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
        match &self.bar {
            Some(bar) => {
                bar.set_message(line);
                bar.tick();
            }
            None => eprintln!("{line}"),
        }
    }

    /// Takes the moving line away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The display of an audit: how far it has read, in a terminal alone.
pub struct AuditProgress {
    bar: ProgressBar,
}

impl Default for AuditProgress {
    fn default() -> Self {
        Self::new()
    }
}

impl AuditProgress {
    /// Begins to be shown.
    pub fn new() -> Self {
        // indicatif itself draws nothing where there is no terminal.
        let bar = ProgressBar::new_spinner();
        bar.set_message("audit: waiting until nothing is in flight");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// So many events have been read.
    pub fn read(&self, events: u64) {
        if events.is_multiple_of(1_000) {
            self.bar.set_message(format!("audit: {events} events read"));
        }
    }
}

impl Drop for AuditProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
