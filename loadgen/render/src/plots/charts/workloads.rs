//! What several workloads were asked and completed over time, from the run's series.

use super::super::axis::Axis;
use super::super::colour::LINES;
use super::super::plot::PlotLine;
use super::{Chart, TimePlots, points_of, rate, strips_of, values_of};
use loadgen_engine::record::series::Point;
use loadgen_report::units::count;

impl TimePlots<'_> {
    /// The plot of what each of several workloads was asked and completed.
    pub fn workloads(&self) -> Option<Chart> {
        let series = self.series.as_ref()?;
        let rate_of = |p: &Point, n: f64| p.per_s(n, series.interval_s);
        let names = || series.workloads.iter().enumerate();
        let of = |p: &Point, i: usize| p.workloads.get(i).copied();
        let completed = names().map(|(i, name)| {
            let figure = |_: usize, p: &Point| rate_of(p, of(p, i)?.completed as f64);
            (format!("{name} completed"), points_of(series, figure))
        });
        let asked = names().map(|(i, name)| {
            let figure = |_: usize, p: &Point| rate_of(p, of(p, i)?.asked?);
            (format!("{name} asked"), points_of(series, figure))
        });
        // What was completed first: where there are more lines than colours, what was asked is left out.
        let lines = completed.chain(asked).zip(LINES);
        let lines: Vec<PlotLine> = lines
            .map(|((name, points), colour)| PlotLine {
                name,
                colour,
                points,
            })
            .filter(|line| line.points.iter().any(Option::is_some))
            .collect();
        let y = Axis::amount(values_of(&lines), "/s");
        let description = "Journeys a second by workload: asked for and completed".into();
        let mut plot = self.over_time(y, "journeys a second", description);
        plot.lines = lines;
        plot.strips = strips_of(series, |p| {
            let each = names().filter_map(|(i, name)| {
                let point = of(p, i)?;
                let asked = point.asked.map(|n| format!("asked {}, ", rate(n)));
                let (asked, done) = (asked.unwrap_or_default(), count(point.completed));
                Some(format!("\n{name}: {asked}completed {done}"))
            });
            each.collect()
        });
        (!plot.lines.is_empty()).then(|| Chart {
            id: "workloads-over-time",
            title: "Workloads: asked and completed".into(),
            note: "Journeys a second of each workload, from the end of its own warm-up. A closed workload asks for no rate.".into(),
            plot,
        })
    }
}
