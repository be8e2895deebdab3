//! From each run's figures to a verdict a figure, and from these to the answer. Pure: knows numbers and what they mean for the better,
//! not where they come from.

use super::answer::answer;
use super::options::LEAST_DIFFERENCE;
use super::rule::Rule;
use super::statistics::{Estimate, Hypothesis, Samples, adjusted, mann_whitney, sign_flip};
use super::{
    Comparison, Design, Effect, FigureComparison, FigureVerdict, Options, Role, Scale, Schema,
    Side, Unit,
};

/// In so many of all comparisons an effect of the smallest detectable size is found.
const POWER: f64 = 0.8;
/// What a leading figure may use of the risk of a false alarm, relative to one that only decides.
const LEADING_WEIGHT: f64 = 4.0;

/// A figure as it was measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: Unit,
    /// How its effect is expressed.
    pub scale: Scale,
    /// Whether more is better; none where neither is.
    pub more_is_better: Option<bool>,
    /// Whether it decides.
    pub role: Role,
    /// What values are rounded to, on the scale that effects add up on.
    pub resolution: f64,
    /// A rule of its own.
    pub rule: Option<Rule>,
    /// Each run's value.
    pub baseline: Vec<f64>,
    /// Each run's value.
    pub candidate: Vec<f64>,
    /// The block of each run, baseline's and candidate's, where runs were interleaved.
    pub blocks: Option<(Vec<u32>, Vec<u32>)>,
}

impl Measured {
    /// On the scale on which effects add up.
    fn placed(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Ratio => value.ln(),
            Scale::Difference => value,
        }
    }

    /// Back from that scale.
    fn shown(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Ratio => value.exp(),
            Scale::Difference => value,
        }
    }

    /// How far an effect on that scale goes from no change, as a share (or a difference).
    fn change(&self, effect: f64) -> f64 {
        match self.scale {
            Scale::Ratio => effect.exp() - 1.0,
            Scale::Difference => effect,
        }
    }

    fn center(&self, values: &[f64]) -> f64 {
        let sum: f64 = values.iter().map(|v| self.placed(*v)).sum();
        self.shown(sum / values.len() as f64)
    }

    /// Nothing where a ratio would need the logarithm of 0.
    fn samples(&self) -> Option<Samples> {
        let all = || self.baseline.iter().chain(&self.candidate);
        if self.scale == Scale::Ratio && all().any(|v| *v <= 0.0) {
            return None;
        }
        let placed = |values: &[f64]| values.iter().map(|v| self.placed(*v)).collect::<Vec<_>>();
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

    /// +1 where an increase is bad, −1 where a decrease is, 0 where neither is.
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

struct Estimated {
    measured: Measured,
    samples: Option<Samples>,
    estimate: Option<Estimate>,
}

/// What is compared.
pub struct Subject {
    /// The scenario's name.
    pub scenario: String,
    /// The workload in words.
    pub workload: String,
    /// What it was before.
    pub baseline: Side,
    /// What it may have become.
    pub candidate: Side,
    /// How its runs belong together.
    pub design: Design,
    /// Of the statistics, a side.
    pub units: usize,
}

/// Judges every figure, and the candidate by them.
pub fn judge(
    subject: Subject,
    mut measured: Vec<Measured>,
    warnings: Vec<String>,
    options: &Options,
) -> Comparison {
    measured.sort_by_key(|m| m.role);
    let figures = figures(measured, options);
    let (verdict, reasons) = answer(&figures, options);
    Comparison {
        schema: Schema,
        scenario: subject.scenario,
        workload: subject.workload,
        baseline: subject.baseline,
        candidate: subject.candidate,
        design: subject.design,
        units: subject.units,
        confidence: options.confidence,
        noise_band: options.noise_band,
        least_effect: options.least_effect,
        seed: options.seed,
        figures,
        warnings,
        verdict,
        reasons,
    }
}

/// Those that decide and those that are only shown share their risk of a false alarm apart.
fn figures(measured: Vec<Measured>, options: &Options) -> Vec<FigureComparison> {
    let estimated: Vec<Estimated> = measured
        .into_iter()
        .map(|measured| {
            let samples = measured.samples();
            let estimate = samples
                .as_ref()
                .and_then(|s| s.estimate(options.confidence, measured.resolution, options.seed));
            Estimated {
                measured,
                samples,
                estimate,
            }
        })
        .collect();
    let paid: Vec<(Option<f64>, f64)> = [true, false]
        .into_iter()
        .flat_map(|decides| pay(&estimated, decides, options))
        .fold(vec![(None, 1.0); estimated.len()], |mut all, (i, paid)| {
            all[i] = paid;
            all
        });
    estimated
        .into_iter()
        .zip(paid)
        .map(|(figure, (p_adjusted, risk))| judged(figure, p_adjusted, risk, options))
        .collect()
}

/// Of the figures that decide, or of the others: the index, the adjusted p-value and the share of the risk that is surely there.
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
    let Estimated {
        measured,
        samples,
        estimate,
    } = figure;
    let alone = 1.0 - options.confidence;
    let (p_mann_whitney, p_sign_flip) = match &samples {
        Some(Samples::Sets {
            baseline,
            candidate,
        }) => (mann_whitney(baseline, candidate, alone), None),
        Some(Samples::Paired(d)) => (None, sign_flip(d, alone, options.seed)),
        None => (None, None),
    };
    let (verdict, reason) = verdict(&measured, estimate.as_ref(), p_adjusted, options);
    let interval = estimate.and_then(|e| e.interval);
    let least_placed = match measured.scale {
        Scale::Ratio => (1.0 + least(&measured, options)).ln(),
        Scale::Difference => least(&measured, options),
    };
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
        baseline: mean_of(&measured, &measured.baseline, samples.is_some()),
        candidate: mean_of(&measured, &measured.candidate, samples.is_some()),
        effect: Effect {
            estimate: estimate.map_or(none, |e| measured.shown(e.difference)),
            low: interval.map(|(low, _)| measured.shown(low)),
            high: interval.map(|(_, high)| measured.shown(high)),
            p: estimate.and_then(|e| e.p),
            p_adjusted,
            p_mann_whitney,
            p_sign_flip,
            smallest_detectable: detectable.map(|d| measured.change(d)),
        },
        rule: measured.rule.as_ref().map(|rule| rule.text.clone()),
        verdict,
        reason,
        name: measured.name,
        baseline_runs: measured.baseline,
        candidate_runs: measured.candidate,
    }
}

fn mean_of(measured: &Measured, values: &[f64], has_logarithms: bool) -> f64 {
    match has_logarithms {
        true => measured.center(values),
        false => values.iter().sum::<f64>() / values.len().max(1) as f64,
    }
}

fn verdict(
    measured: &Measured,
    estimate: Option<&Estimate>,
    p_adjusted: Option<f64>,
    options: &Options,
) -> (FigureVerdict, String) {
    let Some(estimate) = estimate else {
        let all = measured.baseline.iter().chain(&measured.candidate);
        if all.clone().all(|v| *v == 0.0) && all.clone().count() > 2 {
            return (FigureVerdict::Same, "0 in every run".to_owned());
        }
        return (
            FigureVerdict::CantTell,
            "0 in some run: there is no ratio to it".to_owned(),
        );
    };
    let Some(((low, high), p)) = estimate.interval.zip(p_adjusted) else {
        return (
            FigureVerdict::CantTell,
            "one run a side: nobody knows how much it differs from itself".to_owned(),
        );
    };
    let least = least(measured, options);
    let change = measured.change(estimate.difference);
    let sure = p <= 1.0 - options.confidence && (low > 0.0 || high < 0.0);
    if sure && change.abs() > least {
        let towards = change.signum() * measured.bad();
        let verdict = match towards {
            t if t > 0.0 => FigureVerdict::Worse,
            t if t < 0.0 => FigureVerdict::Better,
            _ => FigureVerdict::Different,
        };
        return (verdict, "more than chance explains".to_owned());
    }
    let band = band(measured, options);
    if measured.change(low) >= -band.0 && measured.change(high) <= band.1 {
        return (
            FigureVerdict::Same,
            "the whole interval lies within the noise band".to_owned(),
        );
    }
    let reason = match sure {
        true => "surely changed, but by less than matters",
        false => "the interval reaches beyond the noise band: more or longer runs would tell",
    };
    (FigureVerdict::CantTell, reason.to_owned())
}

/// A change that is no larger is neither better nor worse.
fn least(measured: &Measured, options: &Options) -> f64 {
    match (&measured.rule, measured.scale) {
        (Some(rule), _) => rule.limit,
        (None, Scale::Ratio) => options.least_effect,
        (None, Scale::Difference) => LEAST_DIFFERENCE,
    }
}

/// How far down and up is the same.
fn band(measured: &Measured, options: &Options) -> (f64, f64) {
    match measured.scale {
        // A tenth less and a tenth more are the same distance on the scale of ratios.
        Scale::Ratio => (1.0 - 1.0 / (1.0 + options.noise_band), options.noise_band),
        Scale::Difference => (LEAST_DIFFERENCE, LEAST_DIFFERENCE),
    }
}
