//! Shows a comparison: text for a terminal, Markdown for a pull request, a page. Decides nothing.

mod forest;
mod html;
mod markdown;

pub use html::page;
pub use markdown::markdown;

use std::fmt::Write as _;

use super::table::Table;
use super::{count, time};
use crate::compare::{
    Comparison, Design, FigureComparison, FigureVerdict, Role, Scale, Unit, Verdict,
};

/// Formats a value with its unit.
fn quantity(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Micros => time(value),
        Unit::Nanos if value < 1_000.0 => format!("{value:.1} ns"),
        Unit::Nanos if value < 1e6 => format!("{:.2} µs", value / 1e3),
        Unit::Nanos => time(value / 1e3),
        Unit::Bytes => bytes(value),
        Unit::PerSecond => format!("{value:.1}/s"),
        Unit::Share => format!("{:.2} %", value * 100.0),
        Unit::Number if value >= 1_000.0 => count(value.round() as u64),
        Unit::Number => format!("{value:.1}"),
    }
}

/// Formats bytes with three digits and a fitting unit.
pub(super) fn bytes(value: f64) -> String {
    let (number, unit) = match value {
        v if v < 1e3 => return format!("{v:.0} B"),
        v if v < 1e6 => (v / 1e3, "kB"),
        v if v < 1e9 => (v / 1e6, "MB"),
        v => (v / 1e9, "GB"),
    };
    let decimals = match number {
        n if n < 10.0 => 2,
        n if n < 100.0 => 1,
        _ => 0,
    };
    format!("{number:.decimals$} {unit}")
}

/// Formats a change: `+3.1 %`, or `+0.20 points` for an error rate.
fn change(scale: Scale, effect: f64) -> String {
    match scale {
        // A large change is easier to read as a factor.
        Scale::Ratio if effect >= 10.0 => format!("× {effect:.1}"),
        Scale::Ratio => format!("{:+.1} %", (effect - 1.0) * 100.0),
        Scale::Difference => format!("{:+.2} points", effect * 100.0),
    }
}

const NONE: &str = "–";

fn interval(figure: &FigureComparison) -> String {
    let effect = &figure.effect;
    effect.low.zip(effect.high).map_or_else(
        || NONE.to_owned(),
        |(low, high)| {
            let (low, high) = (change(figure.scale, low), change(figure.scale, high));
            format!("{low} to {high}")
        },
    )
}

fn detectable(figure: &FigureComparison) -> String {
    figure.effect.smallest_detectable.map_or_else(
        || NONE.to_owned(),
        |d| match figure.scale {
            Scale::Ratio if d >= 10.0 => "> 1000 %".to_owned(),
            Scale::Ratio => format!("{:.1} %", d * 100.0),
            Scale::Difference => format!("{:.2} points", d * 100.0),
        },
    )
}

fn probability(p: Option<f64>) -> String {
    match p {
        None => NONE.to_owned(),
        Some(p) if p < 0.001 => "< 0.001".to_owned(),
        Some(p) => format!("{p:.3}"),
    }
}

/// The columns of the table.
const HEADER: [&str; 8] = [
    "figure",
    "baseline",
    "candidate",
    "change",
    "interval",
    "detectable",
    "p",
    "verdict",
];

fn cells(figure: &FigureComparison) -> Vec<String> {
    vec![
        figure.rule.clone().unwrap_or_else(|| figure.name.clone()),
        quantity(figure.unit, figure.baseline),
        quantity(figure.unit, figure.candidate),
        change(figure.scale, figure.effect.estimate),
        interval(figure),
        detectable(figure),
        probability(figure.effect.p_adjusted),
        figure.verdict.as_str().to_owned(),
    ]
}

fn table<'a>(figures: impl Iterator<Item = &'a FigureComparison>) -> Table {
    let mut table = Table::new(&HEADER);
    table.rows.extend(figures.map(cells));
    table
}

fn deciding(comparison: &Comparison) -> impl Iterator<Item = &FigureComparison> {
    let figures = comparison.figures.iter();
    figures.filter(|figure| figure.role != Role::Shown)
}

fn shown(comparison: &Comparison) -> impl Iterator<Item = &FigureComparison> {
    let figures = comparison.figures.iter();
    figures.filter(|figure| figure.role == Role::Shown)
}

/// How the runs were made, in words.
fn design(comparison: &Comparison) -> String {
    let (b, c) = (
        comparison.baseline.runs.len(),
        comparison.candidate.runs.len(),
    );
    match comparison.design {
        Design::Blocks => format!("{} interleaved blocks, {b} + {c} runs", comparison.units),
        Design::Sets => format!("{b} + {c} runs, not interleaved"),
    }
}

/// How to read the comparison.
fn notes(comparison: &Comparison) -> Vec<String> {
    let risk = (1.0 - comparison.confidence) * 100.0;
    let unit = match comparison.design {
        Design::Blocks => "block of interleaved runs",
        Design::Sets => "run",
    };
    let band = comparison.noise_band * 100.0;
    let least = comparison.least_effect * 100.0;
    vec![
        format!(
            "The unit is the {unit}, never the request: a percentile is computed for each run, then runs are compared. Changes are those of geometric means."
        ),
        format!(
            "interval: {:.0} % confidence, the wider of Student's t and a bootstrap over units. detectable: the smallest change that such runs show in 4 of 5 comparisons.",
            comparison.confidence * 100.0
        ),
        format!(
            "p: the probability of such a change by chance alone, adjusted for the number of figures (weighted Holm). The risk of at least one false alarm is at most {risk:.0} % among the deciding figures, and as much among the others."
        ),
        format!(
            "worse, better: the change is significant (p is small and the interval excludes no change) and larger than {least:.0} %. same: the whole interval lies within ± {band:.0} %. Only deciding figures make a regression."
        ),
    ]
}

/// The comparison as text for a terminal.
pub fn text(comparison: &Comparison, colour: bool) -> String {
    let mut out = String::new();
    let mut say = |line: &str| writeln!(out, "{line}").expect("writing to a String cannot fail");
    say(&format!("{}: {}", comparison.scenario, comparison.workload));
    say(&format!("baseline:  {}", comparison.baseline.label));
    say(&format!("candidate: {}", comparison.candidate.label));
    say(&format!("{}\n", design(comparison)));
    for warning in &comparison.warnings {
        say(&format!("warning: {warning}"));
    }
    if !comparison.warnings.is_empty() {
        say("");
    }
    say("deciding figures\n");
    table(deciding(comparison)).write(&mut out);
    if shown(comparison).next().is_some() {
        out.push_str("\nshown, not deciding\n\n");
        table(shown(comparison)).write(&mut out);
    }
    out.push('\n');
    for note in notes(comparison) {
        writeln!(out, "{note}").expect("writing to a String cannot fail");
    }
    out.push('\n');
    out.push_str(&verdict(comparison, colour));
    out
}

/// The verdict in one line, and one line for each reason.
pub fn verdict(comparison: &Comparison, colour: bool) -> String {
    let code = match comparison.verdict {
        Verdict::NoRegression => "1;32",
        Verdict::Regression => "1;31",
        Verdict::CantTell => "1;33",
    };
    let word = comparison.verdict.as_str();
    let mut out = match colour {
        true => format!("verdict: \x1b[{code}m{word}\x1b[0m\n"),
        false => format!("verdict: {word}\n"),
    };
    for reason in &comparison.reasons {
        writeln!(out, "  {reason}").expect("writing to a String cannot fail");
    }
    out
}

/// The verdict with a symbol, for tables without colours.
fn mark(verdict: FigureVerdict) -> &'static str {
    match verdict {
        FigureVerdict::Worse => "❌ worse",
        FigureVerdict::Better => "✅ better",
        FigureVerdict::Same => "same",
        FigureVerdict::Different => "different",
        FigureVerdict::CantTell => "can't tell",
    }
}
