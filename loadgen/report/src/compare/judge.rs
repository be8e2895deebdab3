//! Judges each figure from its runs' values, and the comparison from its figures. Pure: knows numbers and which direction is better, but
//! not where the numbers come from.

use super::answer::answer;
use super::options::LEAST_DIFFERENCE;
use super::rule::Rule;
use super::statistics::{Estimate, Hypothesis, Samples, adjusted};
use super::{
    AskedDifference, ComparedSide, Comparison, ComparisonSchema, Design, Effect, FigureComparison,
    FigureVerdict, Options, Role, Scale, Unit,
};

/// Power of the smallest detectable effect: the share of comparisons that find it.
const POWER: f64 = 0.8;
/// Weight of a leading figure in the risk of a false alarm, relative to the weight 1 of any other figure.
const LEADING_WEIGHT: f64 = 4.0;

/// A figure's values in all runs, and how they are judged.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The figure's name.
    pub name: String,
    /// The unit of the values.
    pub unit: Unit,
    /// The scale of the effect.
    pub scale: Scale,
    /// Whether more is better; `None` if neither is.
    pub more_is_better: Option<bool>,
    /// Whether the figure decides.
    pub role: Role,
    /// The width that values are rounded to, on the scale on which effects add up.
    pub resolution: f64,
    /// The figure's `--fail-on` rule.
    pub rule: Option<Rule>,
    /// The value of each baseline run.
    pub baseline: Vec<f64>,
    /// The value of each candidate run.
    pub candidate: Vec<f64>,
    /// For interleaved runs, the block of each run of the baseline and of the candidate.
    pub blocks: Option<(Vec<u32>, Vec<u32>)>,
}

impl Measured {
    /// The scale on which effects add up; `None` for a ratio of which every value is 0.
    fn adding(&self) -> Option<Adding> {
        let all = || self.baseline.iter().chain(&self.candidate);
        match self.scale {
            Scale::Difference => Some(Adding::Values),
            Scale::Ratio if all().all(|v| *v > 0.0) => Some(Adding::Logarithms),
            Scale::Ratio => {
                let means = [&self.baseline, &self.candidate].map(|values| mean(values));
                let one = means.into_iter().find(|mean| *mean > 0.0)?;
                Some(Adding::SharesOf(one))
            }
        }
    }

    /// The samples for the statistics; `None` for a ratio of which every value is 0.
    fn samples(&self) -> Option<Samples> {
        let adding = self.adding()?;
        let placed = |values: &[f64]| values.iter().map(|v| adding.placed(*v)).collect::<Vec<_>>();
        let (baseline, candidate) = (placed(&self.baseline), placed(&self.candidate));
        let Some((of_baseline, of_candidate)) = &self.blocks else {
            return Some(Samples::Sets {
                baseline,
                candidate,
            });
        };
        let mean = |values: &[f64], of: &[u32], block: u32| {
            let mine = values.iter().zip(of).filter(|(_, b)| **b == block);
            let mine: Vec<f64> = mine.map(|(v, _)| *v).collect();
            (!mine.is_empty()).then(|| mine.iter().sum::<f64>() / mine.len() as f64)
        };
        let mut blocks = of_baseline.clone();
        blocks.sort_unstable();
        blocks.dedup();
        let differences = blocks.into_iter().filter_map(|block| {
            Some(mean(&candidate, of_candidate, block)? - mean(&baseline, of_baseline, block)?)
        });
        Some(Samples::Paired(differences.collect()))
    }

    /// +1 if an increase is bad, −1 if a decrease is, 0 if neither is.
    fn bad(&self) -> f64 {
        match (&self.rule, self.more_is_better) {
            (Some(rule), _) => {
                if rule.increase {
                    1.0
                } else {
                    -1.0
                }
            }
            (None, Some(true)) => -1.0,
            (None, Some(false)) => 1.0,
            (None, None) => 0.0,
        }
    }
}

/// The scale on which a figure's effects add up.
#[derive(Debug, Clone, Copy)]
enum Adding {
    /// The values themselves.
    Values,
    /// Their logarithms: for ratios.
    Logarithms,
    /// Shares of this value, the baseline's mean: for ratios with a value of 0, which has no logarithm. Where the whole baseline is 0, of
    /// the candidate's mean.
    SharesOf(f64),
}

impl Adding {
    fn placed(self, value: f64) -> f64 {
        match self {
            Self::Values => value,
            Self::Logarithms => value.ln(),
            Self::SharesOf(one) => value / one,
        }
    }

    /// An effect as reports show it: a ratio or a difference.
    fn shown(self, effect: f64) -> f64 {
        match self {
            Self::Values => effect,
            Self::Logarithms => effect.exp(),
            Self::SharesOf(_) => 1.0 + effect,
        }
    }

    /// An effect as a change: a share or a difference.
    fn change(self, effect: f64) -> f64 {
        match self {
            Self::Values | Self::SharesOf(_) => effect,
            Self::Logarithms => effect.exp() - 1.0,
        }
    }

    /// A change on the scale on which effects add up.
    fn effect(self, change: f64) -> f64 {
        match self {
            Self::Values | Self::SharesOf(_) => change,
            Self::Logarithms => (1.0 + change).ln(),
        }
    }

    /// The mean of a side's runs; the geometric one where ratios are compared.
    fn center(self, values: &[f64]) -> f64 {
        match self {
            Self::Values | Self::SharesOf(_) => mean(values),
            Self::Logarithms => {
                let placed: Vec<f64> = values.iter().map(|v| v.ln()).collect();
                mean(&placed).exp()
            }
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

struct Estimated {
    measured: Measured,
    estimate: Option<Estimate>,
}

/// What is compared: the scenario and its two sides.
pub struct Subject {
    /// The scenario's name.
    pub scenario: String,
    /// The workload in words.
    pub workload: String,
    /// The baseline.
    pub baseline: ComparedSide,
    /// The candidate.
    pub candidate: ComparedSide,
    /// How the runs were made.
    pub design: Design,
    /// The differences that were asked for.
    pub asked: Vec<AskedDifference>,
    /// Units of the statistics for each side: blocks or runs.
    pub units: usize,
    /// The figures.
    pub measured: Vec<Measured>,
    /// Warnings for the reader.
    pub warnings: Vec<String>,
}

/// Judges every figure of every candidate, and from them the candidates. All share one risk of a false alarm.
pub fn judge(mut subjects: Vec<Subject>, options: &Options) -> Vec<Comparison> {
    let mut measured = Vec::new();
    for (of, subject) in subjects.iter_mut().enumerate() {
        subject.measured.sort_by_key(|m| m.role);
        measured.extend(subject.measured.drain(..).map(|m| (of, m)));
    }
    let sharing_risk = subjects.len();
    let mut all: Vec<Vec<FigureComparison>> = vec![Vec::new(); sharing_risk];
    for (of, figure) in figures(measured, options) {
        all[of].push(figure);
    }
    let judged = subjects.into_iter().zip(all);
    judged
        .map(|(subject, figures)| concluded(subject, figures, sharing_risk, options))
        .collect()
}

fn concluded(
    subject: Subject,
    figures: Vec<FigureComparison>,
    sharing_risk: usize,
    options: &Options,
) -> Comparison {
    let (verdict, reasons) = answer(&figures, options);
    Comparison {
        schema: ComparisonSchema,
        scenario: subject.scenario,
        workload: subject.workload,
        baseline: subject.baseline,
        candidate: subject.candidate,
        asked: subject.asked,
        design: subject.design,
        units: subject.units,
        confidence: options.confidence,
        noise_band: options.noise_band,
        least_effect: options.least_effect,
        sharing_risk,
        seed: options.seed,
        figures,
        warnings: subject.warnings,
        verdict,
        reasons,
    }
}

/// Judges the figures, each with its subject. The figures that decide share one risk of a false alarm; those that are only shown share
/// another.
fn figures(measured: Vec<(usize, Measured)>, options: &Options) -> Vec<(usize, FigureComparison)> {
    let (subjects, measured): (Vec<usize>, Vec<Measured>) = measured.into_iter().unzip();
    let estimated: Vec<Estimated> = measured
        .into_iter()
        .map(|measured| {
            let samples = measured.samples();
            let estimate = samples
                .as_ref()
                .and_then(|s| s.estimate(options.confidence, measured.resolution, options.seed));
            Estimated { measured, estimate }
        })
        .collect();
    let paid: Vec<(Option<f64>, f64)> = [true, false]
        .into_iter()
        .flat_map(|decides| pay(&estimated, decides, options))
        .fold(vec![(None, 1.0); estimated.len()], |mut all, (i, paid)| {
            all[i] = paid;
            all
        });
    let judged = estimated
        .into_iter()
        .zip(paid)
        .map(|(figure, (p_adjusted, risk))| judged(figure, p_adjusted, risk, options));
    subjects.into_iter().zip(judged).collect()
}

/// For the figures that decide, or for the others: the index, the adjusted p-value and the figure's own share of the risk.
fn pay(
    figures: &[Estimated],
    decides: bool,
    options: &Options,
) -> Vec<(usize, (Option<f64>, f64))> {
    let family = figures.iter().enumerate();
    let family = family.filter(|(_, f)| (f.measured.role != Role::Shown) == decides);
    let asked: Vec<(usize, Hypothesis)> = family
        .filter_map(|(i, f)| {
            let p = f.estimate?.p?;
            let leads = f.measured.role == Role::Leads;
            let weight = if leads { LEADING_WEIGHT } else { 1.0 };
            Some((i, Hypothesis { p, weight }))
        })
        .collect();
    let total: f64 = asked.iter().map(|(_, h)| h.weight).sum();
    let hypotheses: Vec<Hypothesis> = asked.iter().map(|(_, h)| *h).collect();
    let paid = asked.iter().zip(adjusted(&hypotheses));
    let risk = 1.0 - options.confidence;
    paid.map(|((i, h), p)| (*i, (Some(p), risk * h.weight / total)))
        .collect()
}

fn judged(
    figure: Estimated,
    p_adjusted: Option<f64>,
    risk: f64,
    options: &Options,
) -> FigureComparison {
    let Estimated { measured, estimate } = figure;
    let adding = measured.adding().unwrap_or(Adding::Values);
    let (verdict, reason) = verdict(&measured, estimate.as_ref(), p_adjusted, options);
    let interval = estimate.and_then(|e| e.interval);
    let least_placed = adding.effect(least(&measured, options));
    let detectable = estimate.and_then(|e| e.smallest_detectable(risk, POWER, least_placed));
    let none = match measured.scale {
        Scale::Ratio => 1.0,
        Scale::Difference => 0.0,
    };
    FigureComparison {
        unit: measured.unit,
        scale: measured.scale,
        more_is_better: measured.more_is_better,
        role: measured.role,
        baseline: adding.center(&measured.baseline),
        candidate: adding.center(&measured.candidate),
        effect: Effect {
            estimate: estimate.map_or(none, |e| adding.shown(e.difference)),
            low: interval.map(|(low, _)| adding.shown(low)),
            high: interval.map(|(_, high)| adding.shown(high)),
            p: estimate.and_then(|e| e.p),
            p_adjusted,
            smallest_detectable: detectable.map(|d| adding.change(d)),
        },
        rule: measured.rule.as_ref().map(|rule| rule.text.clone()),
        verdict,
        reason,
        name: measured.name,
        baseline_runs: measured.baseline,
        candidate_runs: measured.candidate,
    }
}

fn verdict(
    measured: &Measured,
    estimate: Option<&Estimate>,
    p_adjusted: Option<f64>,
    options: &Options,
) -> (FigureVerdict, String) {
    let (Some(estimate), Some(adding)) = (estimate, measured.adding()) else {
        // Without an estimate every value is 0.
        let runs = measured.baseline.len() + measured.candidate.len();
        return match runs > 2 {
            true => (FigureVerdict::Same, "it is 0 in every run".to_owned()),
            false => (
                FigureVerdict::CantTell,
                "it is 0, and there is one run a side".to_owned(),
            ),
        };
    };
    let Some(((low, high), p)) = estimate.interval.zip(p_adjusted) else {
        return (
            FigureVerdict::CantTell,
            "there is one run a side, so the noise is unknown; make several of each in turns, and name them with commas: A1,A2,A3 B1,B2,B3".to_owned(),
        );
    };
    let least = least(measured, options);
    let change = adding.change(estimate.difference);
    let sure = p <= 1.0 - options.confidence && (low > 0.0 || high < 0.0);
    if sure && change.abs() > least {
        let towards = change.signum() * measured.bad();
        let verdict = match towards {
            t if t > 0.0 => FigureVerdict::Worse,
            t if t < 0.0 => FigureVerdict::Better,
            _ => FigureVerdict::Different,
        };
        return (
            verdict,
            "the change is more than chance explains".to_owned(),
        );
    }
    let band = band(measured, options);
    if adding.change(low) >= -band.0 && adding.change(high) <= band.1 {
        return (
            FigureVerdict::Same,
            "the whole interval lies within the noise band".to_owned(),
        );
    }
    let reason = match sure {
        true => "the change is certain but too small to matter",
        false => "the interval reaches beyond the noise band; make more or longer runs",
    };
    (FigureVerdict::CantTell, reason.to_owned())
}

/// The largest change that is neither better nor worse.
fn least(measured: &Measured, options: &Options) -> f64 {
    match (&measured.rule, measured.scale) {
        (Some(rule), _) => rule.limit,
        (None, Scale::Ratio) => options.least_effect,
        (None, Scale::Difference) => LEAST_DIFFERENCE,
    }
}

/// How far down and up a figure counts as the same.
fn band(measured: &Measured, options: &Options) -> (f64, f64) {
    match measured.scale {
        // The band is symmetric on the scale of ratios: down to 1 / (1 + band), up to 1 + band.
        Scale::Ratio => (1.0 - 1.0 / (1.0 + options.noise_band), options.noise_band),
        Scale::Difference => (LEAST_DIFFERENCE, LEAST_DIFFERENCE),
    }
}
