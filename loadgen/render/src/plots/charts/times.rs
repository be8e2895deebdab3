//! Response time and end-to-end latency over time, from the interval logs.

use super::super::axis::{Axis, clock};
use super::super::colour::{BLUE, Colour, GREEN, LINES, PURPLE, VERMILION};
use super::super::plot::{PlotLine, Strip};
use super::super::timeline::SlotQuantiles;
use super::{Chart, TimePlots};
use loadgen_report::Quantiles;
use loadgen_report::units::{count, time};

impl TimePlots<'_> {
    /// The plot of response time, all steps together.
    pub fn response_time(&self) -> Chart {
        let slots = &self.timeline.response_time;
        type SlotFigure = fn(&Quantiles) -> f64;
        let figures: [(&str, Colour, SlotFigure); 4] = [
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
            plot.lines.push(PlotLine {
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
            note: "Completed − intended start, all steps together, of requests answered as expected; the time that a request waits to be sent is included.".into(),
            plot,
        }
    }

    /// The plot of end-to-end latency; `None` without awaited states.
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
            plot.lines.push(PlotLine {
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
