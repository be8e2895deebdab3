//! The plots of a comparison: percentiles and timelines of both sides. Only the plots join the runs of a side; no figure comes from the
//! joined data.

use loadgen_engine::record::Times;
use loadgen_report::Quantiles;
use loadgen_report::compare::Group;
use loadgen_report::folder::Logs;
use loadgen_report::units::{count, time};

use crate::error::ReportError;
use crate::plots::axis::Axis;
use crate::plots::charts::Chart;
use crate::plots::charts::percentiles::percentiles;
use crate::plots::colour::{BLUE, Colour, GREEN, LINES, PURPLE, VERMILION};
use crate::plots::figure::{DrawnPlot, drawn};
use crate::plots::plot::{Plot, PlotLine, Strip};
use crate::plots::timeline::SlotTimeline;

/// The plots of both sides; none if a side has no samples.
///
/// # Errors
/// An interval log can't be decoded, or a plot can't be drawn.
pub fn plots(baseline: &Group, candidate: &Group) -> Result<Vec<DrawnPlot>, ReportError> {
    let sides = (together(baseline)?, together(candidate)?);
    if sides.0.response_total.0.is_empty() || sides.1.response_total.0.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![drawn(spectra(&sides))?, drawn(course(&sides))?])
}

/// The percentiles of all sides in one plot; `None` if a side has no samples.
///
/// # Errors
/// An interval log can't be decoded.
pub fn spectra_of_all(groups: &[Group]) -> Result<Option<Chart>, ReportError> {
    let sides: Vec<SlotTimeline> = groups.iter().map(together).collect::<Result<_, _>>()?;
    if sides.iter().any(|side| side.response_total.0.is_empty()) {
        return Ok(None);
    }
    let named = groups.iter().zip(LINES).zip(&sides);
    let distributions: Vec<_> = named
        .map(|((group, colour), side)| (group.label.as_str(), colour, &side.response_total))
        .collect();
    Ok(Some(spectrum(&distributions)))
}

/// The joined timeline of all runs of a side.
fn together(group: &Group) -> Result<SlotTimeline, ReportError> {
    let runs = || group.runs.iter().map(|run| &run.logs);
    let logs = Logs {
        response_time: runs().flat_map(|l| l.response_time.clone()).collect(),
        service_time: runs().flat_map(|l| l.service_time.clone()).collect(),
        failed_time: Vec::new(),
        unanswered_time: Vec::new(),
        end_to_end: Vec::new(),
    };
    Ok(SlotTimeline::new(&logs)?)
}

fn spectra(sides: &(SlotTimeline, SlotTimeline)) -> Chart {
    let distributions = [
        ("baseline", BLUE, &sides.0.response_total),
        ("candidate", VERMILION, &sides.1.response_total),
    ];
    spectrum(&distributions)
}

fn spectrum(distributions: &[(&str, Colour, &Times)]) -> Chart {
    Chart {
        id: "spectra",
        title: "Response time, percentile by percentile".into(),
        note: "All runs of a side together, all steps. Each further nine has the same width."
            .into(),
        plot: percentiles(distributions, "response time, log scale"),
    }
}

fn course(sides: &(SlotTimeline, SlotTimeline)) -> Chart {
    let line = |name: &str, colour: Colour, timeline: &SlotTimeline, of: fn(&Quantiles) -> f64| {
        let slots = timeline.response_time.iter().enumerate();
        let points = slots.map(|(i, q)| {
            let at = (i as f64 + 0.5) * timeline.slot_s as f64;
            q.as_ref().map(|q| (at, of(q)))
        });
        PlotLine {
            name: name.to_owned(),
            colour,
            points: points.collect(),
        }
    };
    let lines = [
        line("baseline p50", BLUE, &sides.0, |q| q.p50),
        line("candidate p50", VERMILION, &sides.1, |q| q.p50),
        line("baseline p99", GREEN, &sides.0, |q| q.p99),
        line("candidate p99", PURPLE, &sides.1, |q| q.p99),
    ];
    let values: Vec<f64> = lines
        .iter()
        .flat_map(|line| line.points.iter().flatten().map(|(_, y)| *y))
        .collect();
    let longer = if sides.0.length_s() >= sides.1.length_s() {
        &sides.0
    } else {
        &sides.1
    };
    let strips = (0..longer.response_time.len()).map(|i| {
        let slot_s = longer.slot_s as f64;
        let said = |name: &str, timeline: &SlotTimeline| {
            let slot = timeline.response_time.get(i).and_then(Option::as_ref);
            slot.map_or_else(String::new, |q| {
                let requests = count(q.count);
                format!(
                    "\n{name}: p50 {}, p99 {}, {requests} requests",
                    time(q.p50),
                    time(q.p99)
                )
            })
        };
        Strip {
            x: (i as f64 * slot_s, (i + 1) as f64 * slot_s),
            text: format!(
                "{} s to {} s{}{}",
                i as u64 * longer.slot_s,
                (i as u64 + 1) * longer.slot_s,
                said("baseline", &sides.0),
                said("candidate", &sides.1)
            ),
        }
    });
    Chart {
        id: "course",
        title: "Response time over time".into(),
        note: "All runs of a side together, second by second from each run's start.".into(),
        plot: Plot {
            description:
                "Response time over time, baseline and candidate: median and 99th percentile".into(),
            x: Axis::clock(longer.length_s()),
            y: Axis::micros(values.into_iter()),
            y_name: "response time, log scale".into(),
            strips: strips.collect(),
            lines: lines.into(),
            cells: Vec::new(),
            warm_up: None,
            marks: Vec::new(),
            bands: Vec::new(),
        },
    }
}
