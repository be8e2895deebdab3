//! Event lag and backlog of the target's consumer groups over time, from the run's series.

use super::super::axis::Axis;
use super::super::colour::LINES;
use super::super::plot::{PlotLine, Strip};
use super::{Chart, TimePlots, points_of, strips_of, values_of};
use loadgen_engine::record::series::{GroupPoint, Point};
use loadgen_report::units::{count, time};

impl TimePlots<'_> {
    /// The plot of event lag by consumer group.
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
            note: "Handled − published, as the target exposes it; each figure is the upper bound of its bucket.".into(),
            plot,
        })
    }

    /// The plot of the backlog by consumer group.
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
            note: "Not delivered + pending, read once a second; of a longer interval, the maximum."
                .into(),
            plot,
        })
    }

    /// A line for each group with data, at most one for each colour; the table has all groups.
    fn group_lines(
        &self,
        figure: impl Fn(&GroupPoint) -> Option<f64>,
        of_interest: impl Fn(&GroupPoint) -> bool,
    ) -> Option<Vec<PlotLine>> {
        let series = self.series.as_ref()?;
        let of = |p: &Point, i: usize| p.groups.get(i).copied().flatten();
        let shown = series.groups.iter().enumerate().filter(|(i, _)| {
            let mut seen = series.points.iter().filter_map(|p| of(p, *i));
            seen.any(|g| of_interest(&g))
        });
        let lines: Vec<PlotLine> = shown
            .zip(LINES)
            .map(|((i, name), colour)| PlotLine {
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
}
