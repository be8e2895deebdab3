//! A threshold's figure from a report's rows, where they have it: for reports that are merged or compared.

use crate::report::Report;
use crate::sections::{EndToEnd, EventLag, Quantiles, StepReport};
use loadgen_scenario::threshold::{Family, JourneyFigure, Metric, Selector, Statistic};

/// A metric's figure from a report's rows; `None` if the rows do not have it.
pub fn figure(report: &Report, metric: &Metric) -> Option<f64> {
    let of = metric.workload();
    let of = of.map(|name| report.workloads.iter().find(|w| w.name == name));
    let journeys = match of {
        Some(workload) => &workload?.journeys,
        None => &report.journeys,
    };
    match metric {
        Metric::ErrorRate => {
            let awaits: u64 = report.end_to_end.iter().map(|e| e.count + e.timeouts).sum();
            let timeouts: u64 = report.end_to_end.iter().map(|e| e.timeouts).sum();
            let elsewhere = report.journeys.failed_elsewhere;
            let tried = report.all_steps.count + awaits + elsewhere;
            let errors = report.all_steps.errors + timeouts + elsewhere;
            (tried > 0).then(|| errors as f64 / tried as f64)
        }
        Metric::BacklogEnd => report.drain.backlog_end.map(|n| n as f64),
        Metric::Requests { .. } => None,
        Metric::Journeys { figure, .. } => Some(match figure {
            JourneyFigure::Started => journeys.started as f64,
            JourneyFigure::Completed => journeys.completed as f64,
            JourneyFigure::Failed => journeys.failed as f64,
            JourneyFigure::Skipped => journeys.skipped as f64,
            JourneyFigure::Dropped => journeys.dropped as f64,
            JourneyFigure::Unsent => journeys.unsent as f64,
            JourneyFigure::PerSecond => journeys.per_s,
            JourneyFigure::ErrorRate => {
                let ended = journeys.completed + journeys.failed + journeys.skipped;
                return (ended > 0).then(|| journeys.failed as f64 / ended as f64);
            }
        }),
        Metric::Distribution {
            family,
            of,
            statistic,
        } => {
            let filled = rows(report, *family, of)
                .into_iter()
                .filter(|q| q.count > 0);
            let figures: Option<Vec<f64>> = filled.map(|q| value(&q, *statistic)).collect();
            figures?.into_iter().reduce(f64::max)
        }
    }
}

fn rows(report: &Report, family: Family, of: &Selector) -> Vec<Quantiles> {
    let steps = |name: &String, pick: fn(&StepReport) -> Quantiles| {
        let fitting = report.steps.iter().filter(|s| s.name == *name);
        fitting.map(pick).collect()
    };
    match (family, of) {
        (_, Selector::Workload(name)) => {
            let fitting = report.workloads.iter().filter(|w| w.name == *name);
            let slips = family == Family::ScheduleSlip;
            let times = fitting.map(|w| match slips {
                true => w.schedule_slip_us,
                false => w.response_time_us,
            });
            times.collect()
        }
        (Family::ScheduleSlip, _) => vec![report.generator.schedule_slip_us],
        // Distributions of several rows can't be merged from their statistics.
        (_, Selector::Tag(_)) => Vec::new(),
        (Family::ResponseTime, Selector::All) => vec![report.all_steps.response_time_us],
        (Family::ServiceTime, Selector::All) => vec![report.all_steps.service_time_us],
        (Family::EventLag, Selector::All) => vec![report.event_lag_all],
        (Family::ResponseTime, Selector::Name(name)) => steps(name, |s| s.response_time_us),
        (Family::ServiceTime, Selector::Name(name)) => steps(name, |s| s.service_time_us),
        (Family::EndToEnd, of) => {
            let fits = |name: &String| match of {
                Selector::Name(wanted) => name == wanted,
                _ => true,
            };
            let states = report.end_to_end.iter().filter(|e| fits(&e.name));
            states.map(EndToEnd::quantiles).collect()
        }
        (Family::EventLag, Selector::Name(name)) => {
            let fits =
                |e: &&EventLag| e.group == *name || format!("{}/{}", e.group, e.topic) == *name;
            let groups = report.event_lag.iter().filter(fits);
            groups.map(EventLag::quantiles).collect()
        }
    }
}

fn value(q: &Quantiles, statistic: Statistic) -> Option<f64> {
    let quantiles = [(0.5, q.p50), (0.9, q.p90), (0.99, q.p99), (0.999, q.p999)];
    match statistic {
        Statistic::Quantile(wanted) => {
            let same = |(quantile, _): &&(f64, f64)| (quantile - wanted).abs() < 1e-9;
            quantiles.iter().find(same).map(|(_, figure)| *figure)
        }
        Statistic::Min => None,
        Statistic::Max => Some(q.max),
        Statistic::Mean => Some(q.mean),
        Statistic::Count => Some(q.count as f64),
    }
}
