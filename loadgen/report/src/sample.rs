//! The samples that one threshold needs, added up over a period, and the figure computed from them. Must not know which periods are
//! judged.

use std::collections::BTreeMap;
use std::time::Duration;

use loadgen_engine::record::{Figures, JourneyCounts, StepFigures, Times};
use loadgen_engine::scrape::{GroupTopic, LagHistogram, Scrape};
use loadgen_scenario::Scenario;
use loadgen_scenario::threshold::{
    Family, JourneyFigure, Metric, RequestFigure, Selector, Statistic,
};

/// The samples of one metric.
#[derive(Debug, Clone)]
pub struct MetricSample {
    metric: Metric,
    /// The selected workload, if one is.
    workload: Option<usize>,
    /// Indexes of the selected steps or states.
    rows: Vec<usize>,
    /// One distribution for all requests together, or one for each state.
    times: Vec<Times>,
    lags: BTreeMap<GroupTopic, LagHistogram>,
    tried: u64,
    errors: u64,
    journeys: u64,
    backlog_end: Option<u64>,
    length: Duration,
}

impl MetricSample {
    /// An empty sample of the metric.
    pub fn new(metric: &Metric, scenario: &Scenario) -> Self {
        let rows = rows(metric, scenario);
        let states = match metric {
            Metric::Distribution {
                family: Family::EndToEnd,
                ..
            } => rows.len(),
            _ => 1,
        };
        let workload = scenario.workload_of(metric);
        Self::empty(metric.clone(), workload, rows, states)
    }

    fn empty(metric: Metric, workload: Option<usize>, rows: Vec<usize>, states: usize) -> Self {
        Self {
            metric,
            workload,
            rows,
            times: vec![Times::default(); states],
            lags: BTreeMap::new(),
            tried: 0,
            errors: 0,
            journeys: 0,
            backlog_end: None,
            length: Duration::ZERO,
        }
    }

    /// An empty sample of the same metric.
    pub fn emptied(&self) -> Self {
        let (metric, rows) = (self.metric.clone(), self.rows.clone());
        Self::empty(metric, self.workload, rows, self.times.len())
    }

    /// Adds recorded figures.
    pub fn add(&mut self, figures: &Figures) {
        let of = self
            .workload
            .and_then(|w| Some((w, figures.workloads.get(w)?)));
        let steps = self.rows.iter().filter_map(|row| figures.steps.get(*row));
        match &self.metric {
            Metric::Distribution { family, .. } => match (family, of) {
                (Family::ScheduleSlip, Some((_, of))) => self.times[0].add(&of.schedule_slip),
                (_, Some((workload, _))) => self.times[0].add(&figures.response_time(workload)),
                (Family::ResponseTime, None) => {
                    steps.for_each(|s| self.times[0].add(&s.response_time))
                }
                (Family::ServiceTime, None) => {
                    steps.for_each(|s| self.times[0].add(&s.service_time))
                }
                (Family::EndToEnd, None) => {
                    let states = self.rows.iter().filter_map(|row| figures.awaits.get(*row));
                    let both = self.times.iter_mut().zip(states);
                    both.for_each(|(times, state)| times.add(&state.end_to_end));
                }
                (Family::ScheduleSlip, None) => self.times[0].add(&figures.schedule_slip()),
                (Family::EventLag, None) => {}
            },
            Metric::Requests { .. } => {
                let (tried, errors) = steps.fold((0, 0), counted);
                self.tried += tried;
                self.errors += errors;
            }
            Metric::ErrorRate => {
                let (tried, errors) = figures.steps.iter().fold((0, 0), counted);
                let timeouts: u64 = figures.awaits.iter().map(|a| a.timeouts).sum();
                let seen: u64 = figures.awaits.iter().map(|a| a.end_to_end.0.len()).sum();
                let elsewhere = figures.journeys().failed_elsewhere;
                self.tried += tried + seen + timeouts + elsewhere;
                self.errors += errors + timeouts + elsewhere;
            }
            Metric::Journeys { figure, .. } => {
                let counts = of.map_or_else(|| figures.journeys(), |(_, w)| w.journeys.clone());
                let skipped = journeys(JourneyFigure::Skipped, &counts);
                self.tried += counts.completed + counts.failed + skipped;
                self.errors += counts.failed;
                self.journeys += journeys(*figure, &counts);
            }
            Metric::BacklogEnd => {}
        }
    }

    /// Adds the difference of two scrapes of the target's metrics.
    pub fn add_scrape(&mut self, before: &Scrape, after: &Scrape) {
        match &self.metric {
            Metric::Distribution {
                family: Family::EventLag,
                of,
                ..
            } => {
                for (group, lag) in &after.event_lag {
                    if fits(of, group) {
                        let lag = lag.since(before.event_lag.get(group));
                        self.lags.entry(group.clone()).or_default().add(&lag);
                    }
                }
            }
            Metric::BacklogEnd if !after.backlog.is_empty() => {
                self.backlog_end = Some(after.backlog_total());
            }
            _ => {}
        }
    }

    /// Adds to the length of the period, which rates are divided by.
    pub fn lengthen(&mut self, length: Duration) {
        self.length += length;
    }

    /// Adds the samples of another period of the same metric.
    pub fn join(&mut self, other: &Self) {
        let times = self.times.iter_mut().zip(&other.times);
        times.for_each(|(mine, theirs)| mine.add(theirs));
        for (group, lag) in &other.lags {
            self.lags.entry(group.clone()).or_default().add(lag);
        }
        self.tried += other.tried;
        self.errors += other.errors;
        self.journeys += other.journeys;
        self.length += other.length;
    }

    /// The figure: microseconds for times, 0 to 1 for ratios, `None` without samples. Of several states or groups the worst counts.
    pub fn figure(&self) -> Option<f64> {
        let per_s = |count: u64| {
            let seconds = self.length.as_secs_f64();
            (seconds > 0.0).then(|| count as f64 / seconds)
        };
        let ratio = || (self.tried > 0).then(|| self.errors as f64 / self.tried as f64);
        match &self.metric {
            Metric::ErrorRate => ratio(),
            Metric::Requests { count, .. } => match count {
                RequestFigure::Tried => Some(self.tried as f64),
                RequestFigure::Errors => (self.tried > 0).then_some(self.errors as f64),
                RequestFigure::PerSecond => per_s(self.tried),
                RequestFigure::ErrorRate => ratio(),
            },
            Metric::Journeys { figure, .. } => match figure {
                JourneyFigure::PerSecond => per_s(self.journeys),
                JourneyFigure::ErrorRate => ratio(),
                _ => Some(self.journeys as f64),
            },
            Metric::BacklogEnd => self.backlog_end.map(|n| n as f64),
            Metric::Distribution {
                family,
                of,
                statistic,
            } => match family {
                Family::EventLag => self.lag(of, *statistic),
                _ => {
                    let filled = self.times.iter().filter(|t| !t.0.is_empty());
                    filled.map(|t| of_times(t, *statistic)).reduce(f64::max)
                }
            },
        }
    }

    fn lag(&self, of: &Selector, statistic: Statistic) -> Option<f64> {
        let mut all = LagHistogram::default();
        let groups: Vec<&LagHistogram> = match of {
            Selector::All => {
                self.lags.values().for_each(|lag| all.add(lag));
                vec![&all]
            }
            _ => self.lags.values().collect(),
        };
        let filled = groups.into_iter().filter(|lag| lag.statistics().count > 0);
        filled.map(|lag| of_lag(lag, statistic)).reduce(f64::max)
    }
}

fn counted((tried, errors): (u64, u64), step: &StepFigures) -> (u64, u64) {
    (tried + step.count, errors + step.errors)
}

fn rows(metric: &Metric, scenario: &Scenario) -> Vec<usize> {
    let (of, family) = match metric {
        Metric::Distribution { family, of, .. } => (of, *family),
        Metric::Requests { of, .. } => (of, Family::ResponseTime),
        Metric::Journeys { .. } | Metric::ErrorRate | Metric::BacklogEnd => return Vec::new(),
    };
    let (names, tags) = match family {
        Family::EndToEnd => (&scenario.await_names, &scenario.await_tags),
        _ => (&scenario.step_names, &scenario.step_tags),
    };
    let wanted = |row: &usize| match of {
        Selector::All => true,
        Selector::Name(name) => names[*row] == *name,
        Selector::Workload(_) => false,
        Selector::Tag(tag) => tags.get(*row).is_some_and(|tags| tags.contains(tag)),
    };
    (0..names.len()).filter(wanted).collect()
}

fn fits(of: &Selector, group: &GroupTopic) -> bool {
    match of {
        Selector::All => true,
        Selector::Name(name) => {
            *name == group.group || *name == format!("{}/{}", group.group, group.topic)
        }
        Selector::Tag(_) | Selector::Workload(_) => false,
    }
}

fn journeys(which: JourneyFigure, counts: &JourneyCounts) -> u64 {
    match which {
        JourneyFigure::Started => counts.started,
        JourneyFigure::Completed | JourneyFigure::PerSecond => counts.completed,
        JourneyFigure::Failed | JourneyFigure::ErrorRate => counts.failed,
        JourneyFigure::Skipped => counts
            .skipped
            .values()
            .chain(counts.overtaken.values())
            .sum(),
        JourneyFigure::Dropped => counts.dropped,
        JourneyFigure::Unsent => counts.unsent,
    }
}

fn of_times(times: &Times, statistic: Statistic) -> f64 {
    let h = &times.0;
    match statistic {
        Statistic::Quantile(q) => h.value_at_quantile(q) as f64,
        Statistic::Min => h.min() as f64,
        Statistic::Max => h.max() as f64,
        Statistic::Mean => h.mean(),
        Statistic::Count => h.len() as f64,
    }
}

fn of_lag(lag: &LagHistogram, statistic: Statistic) -> f64 {
    match statistic {
        Statistic::Quantile(q) => lag.quantile_us(q),
        Statistic::Min => lag.quantile_us(0.0),
        Statistic::Max => lag.quantile_us(1.0),
        Statistic::Mean => lag.statistics().mean_us,
        Statistic::Count => lag.statistics().count as f64,
    }
}
