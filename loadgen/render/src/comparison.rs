//! Shows a comparison: the verdict, the figures that decide it, the others. Decides nothing.

mod lane;
mod plots;
pub mod set;

use loadgen_report::compare::{
    Comparison, ComparisonVerdict, Design, FigureComparison, FigureVerdict, Group, Role, Scale,
};

use crate::document::{Answer, Document};
use crate::error::ReportError;
use crate::page::{self, Pictures};
use crate::quantity::{NONE, change, known, quantity};
use crate::table::{Cell, Content, Table, Tone};

/// Two builds, compared.
pub fn document(comparison: &Comparison) -> Document {
    let (decide, shown): (Vec<_>, Vec<_>) = comparison
        .figures
        .iter()
        .partition(|figure| figure.role != Role::Shown);
    let deciding = table("deciding", "Deciding figures", &decide, comparison);
    let mut others = table("shown", "More figures", &shown, comparison)
        .note("These figures are judged by the same rules but don't make a regression.");
    others.folded = true;
    let (baseline, candidate) = (&comparison.baseline, &comparison.candidate);
    let mut runs = Table::new("runs", "Runs").words(["side", "run"]).rows(
        [("baseline", baseline), ("candidate", candidate)]
            .into_iter()
            .flat_map(|(name, side)| side.runs.iter().map(move |run| [name, run])),
    );
    runs.folded = true;
    Document {
        title: comparison.scenario.clone(),
        description: String::new(),
        facts: vec![
            format!("{} · {}", comparison.workload, design(comparison)),
            format!("baseline: {}", baseline.label),
            format!("candidate: {}", candidate.label),
        ]
        .into_iter()
        .chain(differs(comparison))
        .collect(),
        answer: answer(comparison),
        warnings: comparison.warnings.clone(),
        errors: Vec::new(),
        deciding: vec![deciding],
        tables: (!others.rows.is_empty())
            .then_some(others)
            .into_iter()
            .collect(),
        settings: vec![runs],
        notes: notes(comparison),
    }
}

/// A comparison's page; `runs` are the two sides, if they have reports.
///
/// # Errors
/// An interval log can't be decoded, or a plot can't be drawn.
pub fn page(
    comparison: &Comparison,
    runs: Option<(&Group, &Group)>,
) -> Result<String, ReportError> {
    let pictures = Pictures {
        plots: runs.map_or_else(|| Ok(Vec::new()), |(b, c)| plots::plots(b, c))?,
        ..Pictures::default()
    };
    page::page(&document(comparison), &pictures)
}

/// The verdict and its reasons.
pub fn answer(comparison: &Comparison) -> Answer {
    Answer {
        word: comparison.verdict.as_str().to_owned(),
        tone: verdict_tone(comparison.verdict),
        meaning: "",
        reasons: comparison.reasons.clone(),
    }
}

fn verdict_tone(verdict: ComparisonVerdict) -> Tone {
    match verdict {
        ComparisonVerdict::NoRegression => Tone::Good,
        ComparisonVerdict::Regression => Tone::Bad,
        ComparisonVerdict::CantTell => Tone::Unsure,
    }
}

fn figure_tone(verdict: FigureVerdict) -> Tone {
    match verdict {
        FigureVerdict::Worse => Tone::Bad,
        FigureVerdict::Better => Tone::Good,
        FigureVerdict::Same => Tone::Plain,
        FigureVerdict::Different | FigureVerdict::CantTell => Tone::Unsure,
    }
}

fn table(
    id: &'static str,
    title: &str,
    figures: &[&FigureComparison],
    comparison: &Comparison,
) -> Table {
    let lanes = lane::Lanes::new(figures, comparison);
    let confidence = comparison.confidence * 100.0;
    let mut table = Table::new(id, title)
        .columns(Content::Code, ["figure"])
        .numbers(["baseline", "candidate"])
        .explained("Geometric means of the runs; means of what may be 0.")
        .numbers(["change", "interval"])
        .explained(format!(
            "Of the change, at {confidence:.0} % confidence. The mark is the change, the line its interval, the grey band the noise band within which a figure counts as the same."
        ))
        .numbers(["detectable"])
        .explained("The smallest change that such runs show in 4 of 5 comparisons.")
        .numbers(["p"])
        .explained("The probability of such a change by chance alone, adjusted for the number of figures.")
        .words(["verdict"]);
    if let Some(interval) = table.columns.iter_mut().find(|c| c.heading == "interval") {
        interval.scale = lanes.scale();
    }
    table.rows(figures.iter().map(|figure| row(figure, &lanes)))
}

fn row(figure: &FigureComparison, lanes: &lane::Lanes) -> [Cell; 8] {
    let effect = &figure.effect;
    let (changed, interval) = changed(figure);
    let detectable = known(effect.smallest_detectable, |d| match figure.scale {
        Scale::Ratio if d >= 10.0 => "> 1000 %".to_owned(),
        Scale::Ratio => format!("{:.1} %", d * 100.0),
        Scale::Difference => format!("{:.2} points", d * 100.0),
    });
    let p = known(effect.p_adjusted, |p| match p < 0.001 {
        true => "< 0.001".to_owned(),
        false => format!("{p:.3}"),
    });
    let tone = figure_tone(figure.verdict);
    let verdict = figure.verdict.as_str();
    let [baseline, candidate] = [&figure.baseline_runs, &figure.candidate_runs].map(|runs| {
        let runs = runs.iter().map(|value| quantity(figure.unit, *value));
        runs.collect::<Vec<_>>().join(", ")
    });
    let more = format!(
        "{changed} ({interval})\n{verdict}: {}\ndetectable: {detectable}\nbaseline: {baseline}\ncandidate: {candidate}",
        figure.reason,
    );
    let lane = Cell {
        lane: Some(lanes.lane(figure)),
        ..Cell::from(interval).tone(tone).more(more)
    };
    [
        figure.rule.as_ref().unwrap_or(&figure.name).as_str().into(),
        quantity(figure.unit, figure.baseline).into(),
        quantity(figure.unit, figure.candidate).into(),
        changed.into(),
        lane,
        detectable.into(),
        p.into(),
        Cell::from(verdict).tone(tone),
    ]
}

/// A figure's change and its interval.
fn changed(figure: &FigureComparison) -> (String, String) {
    let effect = &figure.effect;
    // Nothing is a share of 0.
    if figure.is_from_zero() {
        return ("from 0".to_owned(), NONE.to_owned());
    }
    let interval = known(effect.low.zip(effect.high), |(low, high)| {
        let [low, high] = [low, high].map(|end| change(figure.scale, end));
        format!("{low} to {high}")
    });
    (change(figure.scale, effect.estimate), interval)
}

/// The differences that were asked for, in words.
fn differs(comparison: &Comparison) -> impl Iterator<Item = String> {
    comparison.asked.iter().map(|asked| {
        let (what, from, to) = (&asked.what, &asked.baseline, &asked.candidate);
        format!("differs as asked: {what}, {from} → {to}")
    })
}

/// How the runs were made, in words.
fn design(comparison: &Comparison) -> String {
    let [b, c] = [&comparison.baseline, &comparison.candidate].map(|side| side.runs.len());
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
    let all = match comparison.sharing_risk {
        1 => String::new(),
        n => format!(" of all {n} comparisons"),
    };
    vec![
        format!(
            "The unit is the {unit}, never the request: a percentile is computed for each run, then runs are compared. Changes are those of geometric means."
        ),
        format!(
            "interval: {:.0} % confidence, the wider of Student's t and a bootstrap over units. detectable: the smallest change that such runs show in 4 of 5 comparisons.",
            comparison.confidence * 100.0
        ),
        format!(
            "p: the probability of such a change by chance alone, adjusted for the number of figures{all} (weighted Holm). The risk of at least one false alarm is at most {risk:.0} % among the deciding figures{all}, and as much among the others."
        ),
        format!(
            "worse, better: the change is significant (p is small and the interval excludes no change) and larger than {least:.0} %. same: the whole interval lies within ± {band:.0} %. Only deciding figures make a regression."
        ),
        "Response times are of requests answered as expected; how many were not is error_rate."
            .to_owned(),
    ]
}
