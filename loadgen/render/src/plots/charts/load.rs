//! The load on the target and the machine over time: journeys, errors, CPU, from the run's series.

use super::super::axis::Axis;
use super::super::colour::{BLUE, Colour, LINES, PURPLE, VERMILION};
use super::super::plot::PlotLine;
use super::{Chart, TimePlots, points_of, rate, strips_of, values_of};
use loadgen_engine::record::series::Point;
use loadgen_report::units::count;

impl TimePlots<'_> {
    /// The plot of journeys asked for, started and completed.
    pub fn throughput(&self) -> Option<Chart> {
        let series = self.series.as_ref()?;
        let warm_up_s = self.report.workload.warm_up_s;
        type SeriesFigure<'f> = Box<dyn Fn(usize, &Point) -> Option<f64> + 'f>;
        let measured = |i: usize| (i as u64 * series.interval_s) as f64 >= warm_up_s;
        let rate_of = |p: &Point, n: f64| p.per_s(n, series.interval_s);
        let figures: [(&str, Colour, SeriesFigure<'_>); 3] = [
            (
                "asked",
                PURPLE,
                Box::new(|i, p| rate_of(p, p.asked?).filter(|_| measured(i))),
            ),
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
        let lines: Vec<PlotLine> = figures
            .into_iter()
            .map(|(name, colour, figure)| PlotLine {
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
            note: "Journeys a second. Those asked for and completed are counted from the end of the warm-up.".into(),
            plot,
        })
    }

    /// The plot of journeys in flight.
    pub fn in_flight(&self) -> Option<Chart> {
        let series = self.series.as_ref()?;
        let line = PlotLine {
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
            note: "At the end of each second; of a longer interval, the maximum.".into(),
            plot,
        })
    }

    /// The plot of errors a second; `None` without errors.
    pub fn errors(&self) -> Option<Chart> {
        let series = self.series.as_ref()?;
        let rate_of = |p: &Point, n: u64| p.per_s(n as f64, series.interval_s);
        let mut lines = vec![PlotLine {
            name: "errors".into(),
            colour: VERMILION,
            points: points_of(series, |_, p| rate_of(p, p.errors)),
        }];
        if series.points.iter().any(|p| p.unanswered > 0) {
            lines.push(PlotLine {
                name: "unanswered".into(),
                colour: PURPLE,
                points: points_of(series, |_, p| rate_of(p, p.unanswered)),
            });
        }
        let y = Axis::amount(values_of(&lines), "/s");
        let mut plot = self.over_time(y, "errors a second", "Errors a second over time".into());
        plot.lines = lines;
        plot.strips = strips_of(series, |p| {
            format!(
                "\nerrors {} at {} requests, {} of them unanswered",
                count(p.errors),
                count(p.requests),
                count(p.unanswered)
            )
        });
        let any = series.points.iter().any(|p| p.errors > 0);
        any.then(|| Chart {
            id: "errors-over-time",
            title: "Errors over time".into(),
            note: "Errors of requests and of awaited states; the list below has their kinds."
                .into(),
            plot,
        })
    }

    /// The plot of CPU by process, if it is known.
    pub fn cpu(&self) -> Option<Chart> {
        let series = self.series.as_ref()?;
        let of = |p: &Point, i: usize| p.cpu_pct.get(i).copied().flatten();
        let lines: Vec<PlotLine> = series
            .processes
            .iter()
            .enumerate()
            .zip(LINES)
            .map(|((i, name), colour)| PlotLine {
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
            false => " The target was not started here, so only the generator's CPU is known.",
        };
        (!plot.lines.is_empty()).then(|| Chart {
            id: "cpu",
            title: "CPU by process".into(),
            note: format!(
                "100 % is one core; this machine has {}.{started}",
                self.report.environment.cores
            ),
            plot,
        })
    }
}
