//! Which plots a report has, and what is on each: from figures to lines, and what is said on hovering. Must not know how a plot is drawn.

use super::axis::{Axis, clock};
use super::colour::{BLUE, Colour, GREEN, LINES, PURPLE, VERMILION, WARM_UP};
use super::plot::{Line, Mark, Plot, Strip, patch, swatch};
use super::timeline::{SlotQuantiles, Timeline};
use crate::record::Times;
use crate::record::series::{GroupPoint, Point, Series};
use crate::render::{count, time};
use crate::report::{Quantiles, Report};

/// A plot with its words.
pub struct Chart {
    /// For links.
    pub id: &'static str,
    /// Its title.
    pub title: String,
    /// How to read it.
    pub note: String,
    /// The plot.
    pub plot: Plot,
}

/// What all plots over time have in common.
pub struct Course<'a> {
    report: &'a Report,
    timeline: &'a Timeline,
    series: Option<Series>,
    length_s: f64,
}

/// More points than this are not told apart on a page.
const POINTS_MAX: usize = 300;

impl<'a> Course<'a> {
    /// Of a run.
    pub fn new(report: &'a Report, timeline: &'a Timeline) -> Self {
        let mut series = report.series.clone();
        if let Some(series) = &mut series {
            while series.points.len() > POINTS_MAX {
                series.halve();
            }
        }
        let of_series = series.as_ref().map_or(0.0, |series| {
            let last = series.points.last().map_or(0.0, |p| p.length_s);
            let whole = series.points.len().saturating_sub(1) as u64 * series.interval_s;
            whole as f64 + last
        });
        Self {
            report,
            timeline,
            series,
            length_s: of_series.max(timeline.length_s()),
        }
    }

    /// A plot over time without lines.
    fn over_time(&self, y: Axis, y_name: &str, description: String) -> Plot {
        let workload = &self.report.workload;
        let mut marks = Vec::new();
        let mut end_s = 0.0;
        for pair in workload.stages.windows(2) {
            end_s += pair[0].duration_s;
            let (from, to) = (pair[1].from_per_s, pair[1].to_per_s);
            marks.push(Mark {
                x: end_s,
                label: match from == to {
                    true => format!("{}/s", rate(to)),
                    false => format!("{} → {}/s", rate(from), rate(to)),
                },
            });
        }
        let arrivals_end_s = workload.duration_s;
        if arrivals_end_s > 0.0 && arrivals_end_s + 1.5 < self.length_s {
            marks.push(Mark {
                x: arrivals_end_s,
                label: "no new journeys".into(),
            });
        }
        Plot {
            description,
            x: Axis::clock(self.length_s),
            y,
            y_name: y_name.to_owned(),
            lines: Vec::new(),
            cells: Vec::new(),
            warm_up: (workload.warm_up_s > 0.0).then_some(workload.warm_up_s),
            marks,
            strips: Vec::new(),
        }
    }

    /// Response time, all steps together.
    pub fn response_time(&self) -> Chart {
        let slots = &self.timeline.response_time;
        type Figure = fn(&Quantiles) -> f64;
        let figures: [(&str, Colour, Figure); 4] = [
            ("max", PURPLE, |q| q.max),
            ("p99", VERMILION, |q| q.p99),
            ("p90", GREEN, |q| q.p90),
            ("p50", BLUE, |q| q.p50),
        ];
        let values = slots.iter().flatten().flat_map(|q| [q.p50, q.max]);
        let mut plot = self.over_time(
            Axis::micros(values),
            "response time, log scale",
            "Response time over time: median, 90th and 99th percentile, maximum".into(),
        );
        for (name, colour, figure) in figures {
            plot.lines.push(Line {
                name: name.into(),
                colour,
                points: self.slot_points(slots, figure),
            });
        }
        plot.strips = self.slot_strips(|slot| match &slots[slot] {
            Some(q) => format!("\n{} requests\n{}", count(q.count), said(q)),
            None => "\nnothing measured".into(),
        });
        Chart {
            id: "response-time",
            title: "Response time over time".into(),
            note: "Completed − intended start, all steps together: a request that had to wait counts its wait.".into(),
            plot,
        }
    }

    /// Until visible in the read model; nothing where no state is awaited.
    pub fn end_to_end(&self) -> Option<Chart> {
        let names: Vec<&String> = self.report.end_to_end.iter().map(|e| &e.name).collect();
        let states = &self.timeline.end_to_end;
        let values = states.iter().flatten().flatten().map(|q| q.p99);
        let mut plot = self.over_time(
            Axis::micros(values),
            "p99 until visible, log scale",
            "End-to-end latency over time, 99th percentile of each awaited state".into(),
        );
        for (i, (name, slots)) in names.iter().zip(states).enumerate() {
            plot.lines.push(Line {
                name: (*name).clone(),
                colour: LINES[i % LINES.len()],
                points: self.slot_points(slots, |q| q.p99),
            });
        }
        plot.strips = self.slot_strips(|slot| {
            let known = names.iter().zip(states);
            let known = known.filter_map(|(name, slots)| Some((name, slots.get(slot)?.as_ref()?)));
            let lines = known
                .map(|(name, q)| format!("\n{name}: p50 {}, p99 {}", time(q.p50), time(q.p99)));
            lines.collect()
        });
        (!names.is_empty()).then(|| Chart {
            id: "end-to-end",
            title: "End-to-end latency over time".into(),
            note: "Intended start of the order → the awaited state is visible in the read model."
                .into(),
            plot,
        })
    }

    fn slot_points(
        &self,
        slots: &[SlotQuantiles],
        figure: impl Fn(&Quantiles) -> f64,
    ) -> Vec<Option<(f64, f64)>> {
        let middle = |i: usize| (i as f64 + 0.5) * self.timeline.slot_s as f64;
        let points = slots.iter().enumerate();
        points
            .map(|(i, q)| q.as_ref().map(|q| (middle(i), figure(q))))
            .collect()
    }

    fn slot_strips(&self, say: impl Fn(usize) -> String) -> Vec<Strip> {
        let slot_s = self.timeline.slot_s as f64;
        let strips = (0..self.timeline.response_time.len()).map(|slot| {
            let x = (slot as f64 * slot_s, (slot + 1) as f64 * slot_s);
            let text = format!("{} to {}{}", clock(x.0), clock(x.1), say(slot));
            Strip { x, text }
        });
        strips.collect()
    }

    /// Journeys asked for, started, completed.
    pub fn throughput(&self) -> Option<Chart> {
        let series = self.series.as_ref()?;
        let warm_up_s = self.report.workload.warm_up_s;
        type Figure<'f> = Box<dyn Fn(usize, &Point) -> Option<f64> + 'f>;
        let measured = |i: usize| (i as u64 * series.interval_s) as f64 >= warm_up_s;
        let rate_of = |p: &Point, n: f64| p.per_s(n, series.interval_s);
        let figures: [(&str, Colour, Figure<'_>); 3] = [
            ("asked", PURPLE, Box::new(|_, p| rate_of(p, p.asked?))),
            (
                "started",
                VERMILION,
                Box::new(|_, p| rate_of(p, p.started as f64)),
            ),
            (
                "completed",
                BLUE,
                Box::new(|i, p| rate_of(p, p.completed as f64).filter(|_| measured(i))),
            ),
        ];
        let lines: Vec<Line> = figures
            .into_iter()
            .map(|(name, colour, figure)| Line {
                name: name.into(),
                colour,
                points: points_of(series, figure),
            })
            .filter(|line| line.points.iter().any(Option::is_some))
            .collect();
        let y = Axis::amount(values_of(&lines), "/s");
        let mut plot = self.over_time(
            y,
            "journeys a second",
            "Journeys a second: asked for, started and completed".into(),
        );
        plot.lines = lines;
        plot.strips = strips_of(series, |p| {
            let asked = p
                .asked
                .map_or_else(String::new, |n| format!("asked {}, ", rate(n)));
            format!(
                "\njourneys: {asked}started {}, completed {}, failed {}, dropped {}\nrequests {}, errors {}",
                count(p.started),
                count(p.completed),
                count(p.failed),
                count(p.dropped),
                count(p.requests),
                count(p.errors)
            )
        });
        Some(Chart {
            id: "throughput",
            title: "Throughput asked and reached".into(),
            note: "Journeys a second. Completions are counted from the end of the warm-up.".into(),
            plot,
        })
    }

    /// Journeys in flight.
    pub fn in_flight(&self) -> Option<Chart> {
        let series = self.series.as_ref()?;
        let line = Line {
            name: "in flight".into(),
            colour: BLUE,
            points: points_of(series, |_, p| Some(p.in_flight? as f64)),
        };
        let y = Axis::amount(values_of(std::slice::from_ref(&line)), "");
        let description = "Journeys in flight at the end of each second".into();
        let mut plot = self.over_time(y, "journeys in flight", description);
        plot.lines = vec![line];
        plot.strips = strips_of(series, |p| {
            format!(
                "\nin flight {}",
                p.in_flight.map_or_else(|| "–".to_owned(), count)
            )
        });
        Some(Chart {
            id: "in-flight",
            title: "Journeys in flight".into(),
            note: "At the end of each second; of a longer interval the most.".into(),
            plot,
        })
    }

    /// Errors a second; nothing where there are none.
    pub fn errors(&self) -> Option<Chart> {
        let series = self.series.as_ref()?;
        let line = Line {
            name: "errors".into(),
            colour: VERMILION,
            points: points_of(series, |_, p| p.per_s(p.errors as f64, series.interval_s)),
        };
        let y = Axis::amount(values_of(std::slice::from_ref(&line)), "/s");
        let mut plot = self.over_time(y, "errors a second", "Errors a second over time".into());
        plot.lines = vec![line];
        plot.strips = strips_of(series, |p| {
            format!(
                "\nerrors {} at {} requests",
                count(p.errors),
                count(p.requests)
            )
        });
        let any = series.points.iter().any(|p| p.errors > 0);
        any.then(|| Chart {
            id: "errors-over-time",
            title: "Errors over time".into(),
            note: "Of requests and of awaited states; their kinds are in the table below.".into(),
            plot,
        })
    }

    /// Event lag by consumer group.
    pub fn event_lag(&self) -> Option<Chart> {
        let figure = |g: &GroupPoint| (g.handled > 0).then_some(g.lag_p99_us);
        let lines = self.group_lines(figure, |g| g.handled > 0)?;
        let y = Axis::micros(values_of(&lines));
        let mut plot = self.over_time(
            y,
            "p99 event lag (at most), log scale",
            "Event lag over time, 99th percentile of each consumer group".into(),
        );
        plot.lines = lines;
        plot.strips = self.group_strips(|name, g| {
            (g.handled > 0).then(|| {
                let (p50, p99) = (time(g.lag_p50_us), time(g.lag_p99_us));
                format!(
                    "\n{name}: {} events, p50 ≤ {p50}, p99 ≤ {p99}",
                    count(g.handled)
                )
            })
        });
        Some(Chart {
            id: "event-lag",
            title: "Event lag by consumer group".into(),
            note: "Handled − published, as the target tells it: each figure is the upper bound of its bucket.".into(),
            plot,
        })
    }

    /// Backlog by consumer group.
    pub fn backlog(&self) -> Option<Chart> {
        let lines = self.group_lines(|g| Some(g.backlog as f64), |_| true)?;
        let y = Axis::amount(values_of(&lines), "");
        let mut plot = self.over_time(
            y,
            "entries not yet handled",
            "Backlog over time by consumer group".into(),
        );
        plot.lines = lines;
        plot.strips = self.group_strips(|name, g| {
            (g.backlog > 0).then(|| format!("\n{name}: {}", count(g.backlog)))
        });
        Some(Chart {
            id: "backlog",
            title: "Backlog by consumer group".into(),
            note:
                "Not delivered + pending, looked at once a second; of a longer interval the most."
                    .into(),
            plot,
        })
    }

    /// A line for each group that has anything to show; those beyond the colours are left to the table.
    fn group_lines(
        &self,
        figure: impl Fn(&GroupPoint) -> Option<f64>,
        of_interest: impl Fn(&GroupPoint) -> bool,
    ) -> Option<Vec<Line>> {
        let series = self.series.as_ref()?;
        let of = |p: &Point, i: usize| p.groups.get(i).copied().flatten();
        let shown = series.groups.iter().enumerate().filter(|(i, _)| {
            let mut seen = series.points.iter().filter_map(|p| of(p, *i));
            seen.any(|g| of_interest(&g))
        });
        let lines: Vec<Line> = shown
            .zip(LINES)
            .map(|((i, name), colour)| Line {
                name: name.clone(),
                colour,
                points: points_of(series, |_, p| of(p, i).as_ref().and_then(&figure)),
            })
            .collect();
        (!lines.is_empty()).then_some(lines)
    }

    fn group_strips(&self, say: impl Fn(&str, &GroupPoint) -> Option<String>) -> Vec<Strip> {
        let Some(series) = &self.series else {
            return Vec::new();
        };
        strips_of(series, |p| {
            let groups = series.groups.iter().zip(&p.groups);
            let said: String = groups
                .filter_map(|(name, group)| say(name, group.as_ref()?))
                .collect();
            match said.is_empty() {
                true => "\nnothing".into(),
                false => said,
            }
        })
    }

    /// CPU by process, where it is known.
    pub fn cpu(&self) -> Option<Chart> {
        let series = self.series.as_ref()?;
        let of = |p: &Point, i: usize| p.cpu_pct.get(i).copied().flatten();
        let lines: Vec<Line> = series
            .processes
            .iter()
            .enumerate()
            .zip(LINES)
            .map(|((i, name), colour)| Line {
                name: name.clone(),
                colour,
                points: points_of(series, |_, p| of(p, i)),
            })
            .filter(|line| line.points.iter().any(Option::is_some))
            .collect();
        let y = Axis::amount(values_of(&lines), " %");
        let mut plot = self.over_time(y, "CPU, of one core", "CPU by process over time".into());
        plot.lines = lines;
        plot.strips = strips_of(series, |p| {
            let known = series.processes.iter().zip(&p.cpu_pct);
            let known = known.filter_map(|(name, pct)| Some(format!("\n{name}: {:.0} %", (*pct)?)));
            known.collect()
        });
        let started = match self.report.environment.target_started {
            true => "",
            false => " The target was not started here: only the generator is known.",
        };
        (!plot.lines.is_empty()).then(|| Chart {
            id: "cpu",
            title: "CPU by process".into(),
            note: format!(
                "100 % is one core of {}.{started}",
                self.report.environment.cores
            ),
            plot,
        })
    }

    /// A plot over time for the heat map.
    pub(super) fn heat_plot(&self, y: Axis) -> Plot {
        self.over_time(
            y,
            "response time, log scale",
            "Heat map of response times over time".into(),
        )
    }
}

/// Response beside service time, percentile by percentile.
pub fn spectrum(timeline: &Timeline) -> Chart {
    let distributions = [
        ("response time", VERMILION, &timeline.response_total),
        ("service time", BLUE, &timeline.service_total),
    ];
    Chart {
        id: "spectrum",
        title: "Percentiles: response beside service time".into(),
        note: "Each further nine takes the same room. Where the lines part, requests waited before they were sent.".into(),
        plot: percentiles(&distributions, "time, log scale"),
    }
}

/// The same for awaited states.
pub fn end_to_end_spectrum(report: &Report, timeline: &Timeline) -> Option<Chart> {
    let names = report.end_to_end.iter().map(|e| e.name.as_str());
    let all = names.zip(LINES).zip(&timeline.end_to_end_total);
    let known: Vec<(&str, Colour, &Times)> = all
        .map(|((name, colour), times)| (name, colour, times))
        .filter(|(_, _, times)| !times.0.is_empty())
        .collect();
    (!known.is_empty()).then(|| Chart {
        id: "end-to-end-spectrum",
        title: "Percentiles: end-to-end latency".into(),
        note: "Intended start of the order → visible, by awaited state.".into(),
        plot: percentiles(&known, "until visible, log scale"),
    })
}

/// Percentiles drawn to a nine.
const PLACES_PER_NINE: usize = 20;

fn percentiles(distributions: &[(&str, Colour, &Times)], y_name: &str) -> Plot {
    let most = distributions.iter().map(|(_, _, t)| t.0.len()).max();
    let x = Axis::nines(most.unwrap_or(0));
    let places = (x.to * PLACES_PER_NINE as f64).ceil() as usize;
    let quantile = |place: usize| 1.0 - 10_f64.powf(-(place as f64) / PLACES_PER_NINE as f64);
    let at = |times: &Times, place: usize| times.0.value_at_quantile(quantile(place)) as f64;
    let known = || distributions.iter().filter(|(_, _, t)| !t.0.is_empty());
    let values = known().flat_map(|(_, _, t)| [at(t, 0), at(t, places)]);
    let lines = known().map(|(name, colour, times)| Line {
        name: (*name).to_owned(),
        colour: *colour,
        points: (0..=places)
            .map(|p| Some((quantile(p), at(times, p))))
            .collect(),
    });
    // A strip for every second place: their borders are half a place away.
    let strips = (0..=places).step_by(2).map(|place| {
        let of = |p: f64| 1.0 - 10_f64.powf(-p / PLACES_PER_NINE as f64);
        let said = known().map(|(name, _, t)| format!("\n{name}: {}", time(at(t, place))));
        Strip {
            x: (of((place as f64 - 1.0).max(0.0)), of(place as f64 + 1.0)),
            text: format!("{} %{}", percent(quantile(place)), said.collect::<String>()),
        }
    });
    Plot {
        description: format!("Percentile spectrum: {y_name}"),
        x,
        y: Axis::micros(values),
        y_name: y_name.to_owned(),
        lines: lines.collect(),
        cells: Vec::new(),
        warm_up: None,
        marks: Vec::new(),
        strips: strips.collect(),
    }
}

/// With as many decimals as tell it from 100.
fn percent(quantile: f64) -> String {
    let rest = (1.0 - quantile).max(1e-9);
    let decimals = (-rest.log10()).floor().max(0.0) as usize;
    format!("{:.decimals$}", quantile * 100.0)
}

fn said(q: &Quantiles) -> String {
    format!(
        "p50 {}, p90 {}, p99 {}, max {}",
        time(q.p50),
        time(q.p90),
        time(q.p99),
        time(q.max)
    )
}

/// A rate without decimals that it does not need.
fn rate(per_s: f64) -> String {
    match per_s {
        r if r >= 10.0 || r.fract() == 0.0 => count(r.round() as u64),
        r => format!("{r:.1}"),
    }
}

fn points_of(
    series: &Series,
    figure: impl Fn(usize, &Point) -> Option<f64>,
) -> Vec<Option<(f64, f64)>> {
    let start = |i: usize| (i as u64 * series.interval_s) as f64;
    let points = series.points.iter().enumerate();
    points
        .map(|(i, p)| Some((start(i) + p.length_s / 2.0, figure(i, p)?)))
        .collect()
}

fn values_of(lines: &[Line]) -> impl Iterator<Item = f64> {
    let points = lines.iter().flat_map(|line| line.points.iter().flatten());
    points.map(|(_, y)| *y)
}

fn strips_of(series: &Series, say: impl Fn(&Point) -> String) -> Vec<Strip> {
    let strips = series.points.iter().enumerate().map(|(i, point)| {
        let start = (i as u64 * series.interval_s) as f64;
        let x = (start, start + series.interval_s as f64);
        let text = format!("{} to {}{}", clock(x.0), clock(x.1), say(point));
        Strip { x, text }
    });
    strips.collect()
}

/// The legend's entries: a swatch (SVG) and what it stands for.
pub fn legend(plot: &Plot) -> Vec<(String, String)> {
    // One line needs no legend where the axis says what it is.
    let alone = plot.lines.len() == 1 && plot.y_name.contains(&plot.lines[0].name);
    let lines = plot.lines.iter().filter(|_| !alone);
    let lines = lines.map(|line| (swatch(line.colour), line.name.clone()));
    let warm_up = plot
        .warm_up
        .map(|_| (patch(WARM_UP), "warm-up, not measured".to_owned()));
    lines.chain(warm_up).collect()
}
