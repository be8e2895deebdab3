//! From each run's figures to a verdict a figure, and from these to the answer. Pure: knows numbers and what they mean for the better,
//! not where they come from.

use super::rule::Rule;
use super::statistics::{Estimate, Hypothesis, Samples, adjusted, mann_whitney, sign_flip};
use super::{Effect, FigureComparison, FigureVerdict, Options, Role, Scale, Unit, Verdict};

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

/// Judges every figure. Those that decide and those that are only shown share their risk of a false alarm apart.
pub fn figures(measured: Vec<Measured>, options: &Options) -> Vec<FigureComparison> {
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
    let detectable = estimate.and_then(|e| e.smallest_detectable(risk, POWER));
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
    let rule_limit = measured.rule.as_ref().map(|rule| rule.limit);
    let least = match (rule_limit, measured.scale) {
        (Some(limit), _) => limit,
        (None, Scale::Ratio) => options.least_effect,
        (None, Scale::Difference) => LEAST_DIFFERENCE,
    };
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

/// An error rate that moves by less is no matter: one request in a thousand.
const LEAST_DIFFERENCE: f64 = 0.001;

/// How far down and up is the same.
fn band(measured: &Measured, options: &Options) -> (f64, f64) {
    match measured.scale {
        // A tenth less and a tenth more are the same distance on the scale of ratios.
        Scale::Ratio => (1.0 - 1.0 / (1.0 + options.noise_band), options.noise_band),
        Scale::Difference => (LEAST_DIFFERENCE, LEAST_DIFFERENCE),
    }
}

/// How far a figure may have become worse for all these runs can say, as a share (or a difference): none where they say nothing.
fn worst_case(figure: &FigureComparison) -> Option<f64> {
    let none = match figure.scale {
        Scale::Ratio => 1.0,
        Scale::Difference => 0.0,
    };
    match figure.bad_is_up()? {
        true => Some(figure.effect.high? - none),
        false => Some(none - figure.effect.low?),
    }
}

impl FigureComparison {
    /// Whether an increase is what is bad; none where neither direction is.
    pub fn bad_is_up(&self) -> Option<bool> {
        let rule = self
            .rule
            .as_ref()
            .and_then(|text| text.parse::<Rule>().ok());
        rule.map(|rule| rule.increase)
            .or(self.more_is_better.map(|more| !more))
    }

    /// Whether these runs leave open that it has become worse by more than matters.
    fn is_open(&self, options: &Options) -> bool {
        if matches!(self.verdict, FigureVerdict::Same | FigureVerdict::Better) {
            return false;
        }
        let rule = self
            .rule
            .as_ref()
            .and_then(|text| text.parse::<Rule>().ok());
        let limit = match (rule, self.scale) {
            (Some(rule), _) => rule.limit,
            (None, Scale::Ratio) => options.noise_band,
            (None, Scale::Difference) => LEAST_DIFFERENCE,
        };
        worst_case(self).is_none_or(|worst| worst > limit)
    }
}

/// The answer: a deciding figure that is worse is a regression; without one, what leads must have been judged.
pub fn answer(figures: &[FigureComparison], options: &Options) -> (Verdict, Vec<String>) {
    let deciding = || figures.iter().filter(|f| f.role != Role::Shown);
    let worse: Vec<String> = deciding()
        .filter(|f| f.verdict == FigureVerdict::Worse)
        .map(|f| format!("{} is worse: {}", f.name, f.told()))
        .collect();
    if !worse.is_empty() {
        return (Verdict::Regression, worse);
    }
    let leads: Vec<_> = deciding().filter(|f| f.role == Role::Leads).collect();
    let open: Vec<_> = leads.iter().filter(|f| f.is_open(options)).collect();
    let none_judged = leads.is_empty() && deciding().all(|f| f.verdict == FigureVerdict::CantTell);
    if !open.is_empty() || none_judged {
        let mut reasons: Vec<String> = open
            .iter()
            .map(|f| format!("{} can't be judged: {} ({})", f.name, f.told(), f.reason))
            .collect();
        if none_judged {
            reasons
                .push("no deciding figure could be judged: more runs a side would tell".to_owned());
        }
        return (Verdict::CantTell, reasons);
    }
    let reasons = leads.iter().map(|f| {
        let seen = f
            .effect
            .smallest_detectable
            .filter(|_| f.scale == Scale::Ratio);
        let seen = seen.map_or_else(String::new, |d| {
            let d = d.max(options.least_effect);
            format!(
                "; a change of {:.1} % would have been seen in 4 of 5 such comparisons",
                d * 100.0
            )
        });
        format!("{}: {}{seen}", f.name, f.told())
    });
    (Verdict::NoRegression, reasons.collect())
}

impl FigureComparison {
    /// The effect with its interval in words: `+3.1 % (+1.0 % to +5.2 %)`.
    pub fn told(&self) -> String {
        let change = |effect: f64| match self.scale {
            Scale::Ratio => format!("{:+.1} %", (effect - 1.0) * 100.0),
            Scale::Difference => format!("{:+.2} points", effect * 100.0),
        };
        let estimate = change(self.effect.estimate);
        match self.effect.low.zip(self.effect.high) {
            Some((low, high)) => format!("{estimate} ({} to {})", change(low), change(high)),
            None => format!("{estimate} (no interval)"),
        }
    }
}
