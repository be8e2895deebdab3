//! The forest plot: a row for each figure with its interval and the noise band, all on one scale. It is a table, so that names stay readable
//! on every screen.

use std::fmt::Write as _;

use super::{NONE, cells, change, interval};
use crate::compare::{Comparison, FigureComparison, FigureVerdict, Scale};

/// Width and height of a lane in its own units; the page stretches it.
const LANE: (f64, f64) = (400.0, 22.0);
/// Smallest and largest change that half a lane's width stands for, in logarithms.
const REACH: (f64, f64) = (0.1, 0.7);
/// The difference that half a lane's width stands for, for an error rate.
const REACH_DIFFERENCE: f64 = 0.01;

/// A forest plot: a table with a lane in each row.
pub struct Forest {
    /// The element's id.
    pub id: &'static str,
    /// The title.
    pub title: &'static str,
    /// How to read the plot.
    pub note: &'static str,
    /// The range of the lanes, in words.
    pub scale: String,
    /// The rows.
    pub rows: Vec<Row>,
}

/// The row of a figure.
pub struct Row {
    /// The row's class in the style sheet.
    pub class: &'static str,
    /// The figure's name, as plain text.
    pub name: String,
    /// The baseline's value with its unit.
    pub baseline: String,
    /// The candidate's value with its unit.
    pub candidate: String,
    /// The lane as SVG, which holds numbers only and needs no escaping.
    pub svg: String,
    /// The text shown on hovering.
    pub tip: String,
    /// The change in words.
    pub change: String,
    /// The adjusted p-value.
    pub p: String,
    /// The verdict in words.
    pub verdict: &'static str,
}

/// The forest plot of figures on one scale; `None` without figures.
pub fn forest<'a>(
    id: &'static str,
    title: &'static str,
    note: &'static str,
    comparison: &Comparison,
    figures: impl Iterator<Item = &'a FigureComparison>,
) -> Option<Forest> {
    let figures: Vec<&FigureComparison> = figures.collect();
    let ratios = figures.iter().filter(|f| f.scale == Scale::Ratio);
    let ends = ratios.flat_map(|f| [Some(f.effect.estimate), f.effect.low, f.effect.high]);
    let farthest = ends.flatten().map(|e| e.ln().abs());
    let band = (1.0 + comparison.noise_band).ln();
    let reach = farthest
        .fold(REACH.0.max(2.0 * band), f64::max)
        .min(REACH.1.max(2.0 * band));
    let scale = format!(
        "{} … {}",
        change(Scale::Ratio, (-reach).exp()),
        change(Scale::Ratio, reach.exp())
    );
    let rows = figures.iter().map(|f| row(f, reach, band));
    (!figures.is_empty()).then(|| Forest {
        id,
        title,
        note,
        scale,
        rows: rows.collect(),
    })
}

fn row(figure: &FigureComparison, reach: f64, band: f64) -> Row {
    let class = match figure.verdict {
        FigureVerdict::Worse => "worse",
        FigureVerdict::Better => "better",
        FigureVerdict::Same => "same",
        FigureVerdict::Different => "different",
        FigureVerdict::CantTell => "cant-tell",
    };
    let [
        name,
        baseline,
        candidate,
        changed,
        _,
        detectable,
        p,
        verdict,
    ]: [String; 8] = cells(figure).try_into().unwrap_or_default();
    let runs = |values: &[f64]| {
        let told = values.iter().map(|v| super::quantity(figure.unit, *v));
        told.collect::<Vec<_>>().join(", ")
    };
    let second = match (figure.effect.p_sign_flip, figure.effect.p_mann_whitney) {
        (Some(p), _) => format!("\nsign flips of blocks: p = {p:.3}"),
        (None, Some(p)) => format!("\nMann–Whitney: p = {p:.3}"),
        (None, None) => String::new(),
    };
    let tip = format!(
        "{changed} ({})\n{verdict}: {}\ndetectable: {detectable}{second}\nbaseline: {}\ncandidate: {}",
        interval(figure),
        figure.reason,
        runs(&figure.baseline_runs),
        runs(&figure.candidate_runs)
    );
    Row {
        class,
        name,
        baseline,
        candidate,
        svg: lane(figure, reach, band),
        tip,
        change: changed,
        p: if p.is_empty() { NONE.to_owned() } else { p },
        verdict: figure.verdict.as_str(),
    }
}

fn lane(figure: &FigureComparison, reach: f64, band: f64) -> String {
    let (width, height) = LANE;
    let middle = height / 2.0;
    let share = |effect: f64| match figure.scale {
        Scale::Ratio => effect.ln() / reach,
        Scale::Difference => effect / REACH_DIFFERENCE,
    };
    let x = |share: f64| (width / 2.0) * (1.0 + share.clamp(-1.0, 1.0));
    let of_band = match figure.scale {
        Scale::Ratio => band / reach,
        Scale::Difference => 0.001 / REACH_DIFFERENCE,
    };
    let (from, to) = (x(-of_band), x(of_band));
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"band\" x=\"{from:.1}\" y=\"1\" width=\"{:.1}\" height=\"{}\"/><line class=\"none\" x1=\"{}\" x2=\"{}\" y1=\"0\" y2=\"{height}\"/>",
        to - from,
        height - 2.0,
        width / 2.0,
        width / 2.0
    );
    if let Some((low, high)) = figure.effect.low.zip(figure.effect.high) {
        let (low, high) = (x(share(low)), x(share(high)));
        write!(
            svg,
            "<line class=\"interval\" x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{middle}\" y2=\"{middle}\"/>"
        )
        .expect("writing to a String cannot fail");
    }
    let at = x(share(figure.effect.estimate));
    write!(
        svg,
        "<rect class=\"estimate\" x=\"{:.1}\" y=\"{}\" width=\"6\" height=\"12\"/></svg>",
        at - 3.0,
        middle - 6.0
    )
    .expect("writing to a String cannot fail");
    svg
}
