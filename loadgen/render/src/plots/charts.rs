//! The plots of a report: converts figures to lines and hover texts. Must not know how a plot is drawn.

mod groups;
mod load;
pub mod percentiles;
mod times;
mod workloads;

use super::axis::{Axis, clock};
use super::colour::{FAULT, WARM_UP};
use super::plot::{Band, Mark, Plot, PlotLine, Strip, patch, swatch};
use super::timeline::SlotTimeline;
use loadgen_engine::record::series::{Point, Series};
use loadgen_report::units::count;
use loadgen_report::{HoldReport, Report, WorkloadReport};

/// A plot with its texts.
pub struct Chart {
    /// The element's id.
    pub id: &'static str,
    /// The title.
    pub title: String,
    /// How to read the plot.
    pub note: String,
    /// The plot itself.
    pub plot: Plot,
}

/// The data of all plots over time.
pub struct TimePlots<'a> {
    report: &'a Report,
    timeline: &'a SlotTimeline,
    series: Option<Series>,
    length_s: f64,
}

/// Smallest width of a band, as a share of the axis, so that even a moment is visible.
const BAND_SHARE_MIN: f64 = 0.003;
/// Largest number of points; more can't be told apart on a page.
const POINTS_MAX: usize = 300;

impl<'a> TimePlots<'a> {
    /// The data of a run.
    pub fn new(report: &'a Report, timeline: &'a SlotTimeline) -> Self {
        let mut series = report.series.clone();
        if let Some(series) = &mut series {
            while series.points.len() > POINTS_MAX {
                series.halve();
            }
        }
        let of_series = series.as_ref().map_or(0.0, |series| {
            let last = series.points.last().map_or(0.0, |p| shown_s(series, p));
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

    /// An empty plot over time, with marks and bands.
    fn over_time(&self, y: Axis, y_name: &str, description: String) -> Plot {
        let workload = &self.report.workload;
        let mut workloads: Vec<&WorkloadReport> = self.report.workloads.iter().collect();
        workloads.sort_by(|a, b| a.start_after_s.total_cmp(&b.start_after_s));
        let later = workloads.iter().filter(|w| w.start_after_s > 0.0);
        let mut marks: Vec<Mark> = later
            .map(|w| Mark {
                x: w.start_after_s,
                label: format!("{} starts", w.name),
            })
            .collect();
        // Only one workload has its stages in the plots.
        let mut end_s = workloads.first().map_or(0.0, |w| w.start_after_s);
        for pair in workload.stages.windows(2) {
            end_s += pair[0].duration_s;
            let (from, to) = (pair[1].from_per_s, pair[1].to_per_s);
            marks.push(Mark {
                x: held(end_s, &self.report.holds),
                label: match from == to {
                    true => format!("{}/s", rate(to)),
                    false => format!("{} → {}/s", rate(from), rate(to)),
                },
            });
        }
        let arrivals_end_s = held(workload.duration_s, &self.report.holds);
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
            bands: self.bands(),
            strips: Vec::new(),
        }
    }

    /// The bands of faults and holds, each wide enough to be visible.
    fn bands(&self) -> Vec<Band> {
        let wide = |from: f64, until: f64| (from, until.max(from + self.length_s * BAND_SHARE_MIN));
        let faults = self.report.faults.iter().map(|fault| Band {
            x: wide(fault.at_s, fault.until_s),
            name: "fault",
            label: fault.what.clone(),
        });
        let holds = self.report.holds.iter().map(|hold| Band {
            x: wide(hold.from_s, hold.until_s),
            name: "rate held",
            label: format!("held at {}/s", hold.rate_per_s),
        });
        faults.chain(holds).collect()
    }

    /// The empty plot of the heat map.
    pub(super) fn heat_plot(&self, y: Axis) -> Plot {
        self.over_time(
            y,
            "response time, log scale",
            "Heat map of response times over time".into(),
        )
    }
}

/// The actual time, in seconds, of something planned: every hold before it delays it.
fn held(planned_s: f64, holds: &[HoldReport]) -> f64 {
    holds
        .iter()
        .fold(planned_s, |at_s, hold| match at_s > hold.from_s {
            true => at_s + hold.until_s - hold.from_s,
            false => at_s,
        })
}

/// Formats a rate, with a decimal only if needed.
fn rate(per_s: f64) -> String {
    match per_s {
        r if r >= 10.0 || r.fract() == 0.0 => count(r.round() as u64),
        r => format!("{r:.1}"),
    }
}

/// The seconds of the interval that a point covers; the whole interval while the backlog drains after the last journey.
fn shown_s(series: &Series, point: &Point) -> f64 {
    match point.length_s > 0.0 {
        true => point.length_s,
        false => series.interval_s as f64,
    }
}

fn points_of(
    series: &Series,
    figure: impl Fn(usize, &Point) -> Option<f64>,
) -> Vec<Option<(f64, f64)>> {
    let start = |i: usize| (i as u64 * series.interval_s) as f64;
    let points = series.points.iter().enumerate();
    points
        .map(|(i, p)| Some((start(i) + shown_s(series, p) / 2.0, figure(i, p)?)))
        .collect()
}

fn values_of(lines: &[PlotLine]) -> impl Iterator<Item = f64> {
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

/// The entries of the legend: a swatch (SVG) and its name.
pub fn legend(plot: &Plot) -> Vec<(String, String)> {
    // A single line needs no legend if the axis names it.
    let alone = plot.lines.len() == 1 && plot.y_name.contains(&plot.lines[0].name);
    let lines = plot.lines.iter().filter(|_| !alone);
    let lines = lines.map(|line| (swatch(line.colour), line.name.clone()));
    let warm_up = plot
        .warm_up
        .map(|_| (patch(WARM_UP), "warm-up, not measured".to_owned()));
    let bands = plot.bands.first();
    let bands = bands.map(|band| (patch(FAULT), band.name.to_owned()));
    lines.chain(warm_up).chain(bands).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_planned_comes_later_by_the_holds_before_it() {
        let hold = |from_s, until_s| HoldReport {
            from_s,
            until_s,
            rate_per_s: 1.0,
        };
        let holds = [hold(5.0, 8.0), hold(12.0, 14.0)];
        for (planned_s, came_s) in [(4.0, 4.0), (6.0, 9.0), (8.0, 11.0), (10.0, 15.0)] {
            assert_eq!(held(planned_s, &holds), came_s);
        }
    }
}
