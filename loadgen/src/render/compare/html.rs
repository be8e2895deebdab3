//! The page of a comparison: the verdict, a forest plot of every figure, percentiles and timelines of both sides. A self-contained file, like
//! a run's page. Only the plots join the runs of a side; no figure comes from the joined data.

use askama::Template;

use super::forest::{Forest, forest};
use super::{deciding, design, notes, shown};
use crate::compare::{Comparison, Group, Verdict};
use crate::render::RenderError;
use crate::render::html::axis::Axis;
use crate::render::html::charts::{Chart, percentiles};
use crate::render::html::colour::{BLUE, Colour, GREEN, PURPLE, VERMILION};
use crate::render::html::figure::{Figure, drawn};
use crate::render::html::plot::{Line, Plot, Strip};
use crate::render::html::timeline::Timeline;
use crate::render::{count, time};
use crate::report::Quantiles;
use crate::report::folder::Logs;

#[derive(Template)]
#[template(path = "compare.html")]
struct Page<'a> {
    comparison: &'a Comparison,
    title: String,
    design: String,
    verdict_class: &'static str,
    forests: Vec<Forest>,
    figures: Vec<Figure>,
    notes: Vec<String>,
}

/// The page of a comparison; `runs` are the two sides, if they have reports.
///
/// # Errors
/// An interval log can't be decoded, or a plot can't be drawn.
pub fn page(
    comparison: &Comparison,
    runs: Option<(&Group, &Group)>,
) -> Result<String, RenderError> {
    let verdict_class = match comparison.verdict {
        Verdict::NoRegression => "pass",
        Verdict::Regression => "fail",
        Verdict::CantTell => "invalid",
    };
    let forests = [
        forest(
            "deciding",
            "Deciding figures",
            "The mark is the change, the line its interval, the grey band the noise band within which a figure counts as the same.",
            comparison,
            deciding(comparison),
        ),
        forest(
            "shown",
            "More figures",
            "These figures are judged by the same rules but don't make a regression.",
            comparison,
            shown(comparison),
        ),
    ];
    let page = Page {
        comparison,
        title: format!("{}: {}", comparison.scenario, comparison.verdict.as_str()),
        design: design(comparison),
        verdict_class,
        forests: forests.into_iter().flatten().collect(),
        figures: runs.map_or_else(|| Ok(Vec::new()), |(b, c)| figures(b, c))?,
        notes: notes(comparison),
    };
    page.render().map_err(|e| RenderError::Page(e.to_string()))
}

fn figures(baseline: &Group, candidate: &Group) -> Result<Vec<Figure>, RenderError> {
    let sides = (together(baseline)?, together(candidate)?);
    if sides.0.response_total.0.is_empty() || sides.1.response_total.0.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![drawn(spectra(&sides))?, drawn(course(&sides))?])
}

/// The joined timeline of all runs of a side.
fn together(group: &Group) -> Result<Timeline, RenderError> {
    let runs = || group.runs.iter().map(|run| &run.logs);
    let logs = Logs {
        response_time: runs().flat_map(|l| l.response_time.clone()).collect(),
        service_time: runs().flat_map(|l| l.service_time.clone()).collect(),
        end_to_end: Vec::new(),
    };
    Ok(Timeline::new(&logs)?)
}

fn spectra(sides: &(Timeline, Timeline)) -> Chart {
    let distributions = [
        ("baseline", BLUE, &sides.0.response_total),
        ("candidate", VERMILION, &sides.1.response_total),
    ];
    Chart {
        id: "spectra",
        title: "Response time, percentile by percentile".into(),
        note: "All runs of a side together, all steps. Each further nine has the same width."
            .into(),
        plot: percentiles(&distributions, "response time, log scale"),
    }
}

fn course(sides: &(Timeline, Timeline)) -> Chart {
    type Row = (&'static str, Colour, bool, fn(&Quantiles) -> f64);
    let rows: [Row; 4] = [
        ("baseline p50", BLUE, true, |q| q.p50),
        ("candidate p50", VERMILION, false, |q| q.p50),
        ("baseline p99", GREEN, true, |q| q.p99),
        ("candidate p99", PURPLE, false, |q| q.p99),
    ];
    let side = |is_baseline: bool| if is_baseline { &sides.0 } else { &sides.1 };
    let lines = rows.map(|(name, colour, is_baseline, of)| {
        let timeline = side(is_baseline);
        let slots = timeline.response_time.iter().enumerate();
        let points = slots.map(|(i, q)| {
            let at = (i as f64 + 0.5) * timeline.slot_s as f64;
            q.as_ref().map(|q| (at, of(q)))
        });
        Line {
            name: name.to_owned(),
            colour,
            points: points.collect(),
        }
    });
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
        let said = |name: &str, timeline: &Timeline| {
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
