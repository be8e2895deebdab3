//! The panels and the figures that each one shows.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::chart::{self, COLOURS, ChartUnit, Curve};
use super::tables;
use crate::live::run_progress::{Moment, RunProgress};
use loadgen_engine::record::series::{GroupPoint, Point};
use loadgen_report::Quantiles;

/// Smallest readable width of a plot.
pub const PANEL_WIDTH_MIN: u16 = 38;

/// A panel of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panel {
    ResponseTime,
    Throughput,
    EndToEnd,
    EventLag,
    Backlog,
    InFlight,
    Cpu,
    Slip,
    Errors,
    Steps,
    Thresholds,
    Log,
}

impl Panel {
    /// Smallest readable width, in columns.
    pub fn width_min(self) -> u16 {
        match self {
            Self::Steps => tables::STEPS_WIDTH_MIN,
            _ => PANEL_WIDTH_MIN,
        }
    }

    /// Draws the panel into the area.
    pub fn draw(self, frame: &mut Frame<'_>, area: Rect, progress: &RunProgress) {
        let (name, curves, unit) = match self {
            Self::ResponseTime => (
                "response",
                quantiles(progress, |m| m.response_time.as_ref()),
                ChartUnit::Time,
            ),
            Self::Slip => (
                "slip",
                quantiles(progress, |m| m.slip.as_ref()),
                ChartUnit::Time,
            ),
            Self::EndToEnd => ("end to end, p99", end_to_end(progress), ChartUnit::Time),
            Self::Throughput => ("journeys a second", throughput(progress), ChartUnit::Count),
            Self::EventLag => (
                "event lag, p99",
                groups(progress, |g| (g.handled > 0).then_some(g.lag_p99_us)),
                ChartUnit::Time,
            ),
            Self::Backlog => (
                "backlog",
                groups(progress, |g| Some(g.backlog as f64)),
                ChartUnit::Count,
            ),
            Self::InFlight => (
                "in flight",
                vec![curve(
                    "",
                    0,
                    points(progress, |p, _| Some(p.in_flight? as f64)),
                )],
                ChartUnit::Count,
            ),
            Self::Cpu => ("CPU", cpu(progress), ChartUnit::Percent),
            Self::Errors => return tables::errors(frame, area, progress),
            Self::Steps => return tables::steps(frame, area, progress),
            Self::Thresholds => return tables::thresholds(frame, area, progress),
            Self::Log => return tables::log(frame, area, progress),
        };
        let end_s = progress.series.points.len() as u64 * progress.series.interval_s;
        chart::draw(frame, area, name, &curves, unit, end_s as f64);
    }
}

fn curve(name: impl Into<String>, colour: usize, points: Vec<(f64, f64)>) -> Curve {
    Curve {
        name: name.into(),
        colour: COLOURS[colour % COLOURS.len()],
        points,
    }
}

/// The middle of an interval, in seconds.
fn middle(index: usize, interval_s: u64) -> f64 {
    (index as f64 + 0.5) * interval_s as f64
}

fn points(progress: &RunProgress, value: impl Fn(&Point, u64) -> Option<f64>) -> Vec<(f64, f64)> {
    let interval_s = progress.series.interval_s;
    let points = progress.series.points.iter().enumerate();
    points
        .filter_map(|(i, p)| Some((middle(i, interval_s), value(p, interval_s)?)))
        .collect()
}

fn moments(progress: &RunProgress, value: impl Fn(&Moment) -> Option<f64>) -> Vec<(f64, f64)> {
    let moments = progress.moments.iter().enumerate();
    moments
        .filter_map(|(i, m)| Some((middle(i, progress.series.interval_s), value(m)?)))
        .collect()
}

fn quantiles(progress: &RunProgress, of: impl Fn(&Moment) -> Option<&Quantiles>) -> Vec<Curve> {
    let quantile = |name: &str, colour, value: fn(&Quantiles) -> f64| Curve {
        name: name.to_owned(),
        colour,
        points: moments(progress, |m| of(m).map(value)),
    };
    vec![
        quantile("p50", Color::Green, |q| q.p50),
        quantile("p90", Color::Cyan, |q| q.p90),
        quantile("p99", Color::Yellow, |q| q.p99),
        quantile("max", Color::Red, |q| q.max),
    ]
}

fn end_to_end(progress: &RunProgress) -> Vec<Curve> {
    let states = progress.plan.awaits.iter().enumerate();
    states
        .map(|(i, name)| {
            let of = |m: &Moment| m.end_to_end.get(i)?.as_ref().map(|q| q.p99);
            curve(name, i, moments(progress, of))
        })
        .collect()
}

/// What each of several workloads was asked and completed.
fn workloads(progress: &RunProgress) -> Vec<Curve> {
    let done = |index: usize| {
        points(progress, |p, interval_s| {
            p.per_s(p.workloads.get(index)?.completed as f64, interval_s)
        })
    };
    let planned = progress.plan.workloads.iter().enumerate();
    let curves = planned.flat_map(|(i, planned)| {
        let done = done(i);
        let asked = done
            .iter()
            .filter_map(|(at, _)| Some((*at, planned.asked(Duration::from_secs_f64(*at))?)));
        let asked: Vec<(f64, f64)> = asked.collect();
        let asked =
            (!asked.is_empty()).then(|| curve(format!("{} asked", planned.name), 2 * i, asked));
        asked
            .into_iter()
            .chain([curve(&planned.name, 2 * i + 1, done)])
    });
    curves.collect()
}

fn throughput(progress: &RunProgress) -> Vec<Curve> {
    if progress.plan.workloads.len() > 1 {
        return workloads(progress);
    }
    let interval_s = progress.series.interval_s;
    let started = points(progress, |p, i| p.per_s(p.started as f64, i));
    let asked = started.iter().filter_map(|(at, _)| {
        let at_s = Duration::from_secs_f64(*at);
        Some((*at, progress.asked(at_s)?))
    });
    let asked: Vec<(f64, f64)> = asked.collect();
    let done = points(progress, |p, _| p.per_s(p.completed as f64, interval_s));
    let mut curves = vec![curve("started", 0, started), curve("done", 2, done)];
    if !asked.is_empty() {
        curves.insert(0, curve("asked", 6, asked));
    }
    curves
}

fn groups(progress: &RunProgress, value: impl Fn(&GroupPoint) -> Option<f64>) -> Vec<Curve> {
    let groups = progress.series.groups.iter().enumerate();
    groups
        .map(|(i, name)| {
            let of = |p: &Point, _| value(p.groups.get(i)?.as_ref()?);
            curve(name.trim_end_matches("-service"), i, points(progress, of))
        })
        .collect()
}

fn cpu(progress: &RunProgress) -> Vec<Curve> {
    let processes = progress.series.processes.iter().enumerate();
    let processes = processes.map(|(i, name)| {
        let of = |p: &Point, _| *p.cpu_pct.get(i)?;
        curve(name, i, points(progress, of))
    });
    let drivers = (0..progress.plan.drivers).filter_map(|i| {
        let of = |m: &Moment| m.drivers_cpu_pct.get(i).copied();
        let colour = progress.series.processes.len() + i;
        // Those of agents are not seen from here.
        let seen = moments(progress, of);
        (!seen.is_empty()).then(|| curve(format!("driver {i}"), colour, seen))
    });
    processes.chain(drivers).collect()
}
