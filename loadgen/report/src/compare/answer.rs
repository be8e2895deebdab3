//! Derives the comparison's verdict, and so its exit code, from the figures' verdicts. Pure; must not know how a figure was judged.

use super::options::LEAST_DIFFERENCE;
use super::rule::Rule;
use super::{ComparisonVerdict, FigureComparison, FigureVerdict, Options, Role, Scale};

/// The largest worsening that the interval allows, as a share (or a difference); `None` without an interval.
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
    /// Whether an increase is bad; `None` if neither direction is bad.
    pub fn bad_is_up(&self) -> Option<bool> {
        let rule = self
            .rule
            .as_ref()
            .and_then(|text| text.parse::<Rule>().ok());
        rule.map(|rule| rule.increase)
            .or(self.more_is_better.map(|more| !more))
    }

    /// Whether the interval allows that the figure has become worse by more than the limit.
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

/// The verdict and its reasons. A deciding figure that is worse is a regression; otherwise every leading figure must have been judged,
/// or the answer is that these runs can't tell.
pub fn answer(figures: &[FigureComparison], options: &Options) -> (ComparisonVerdict, Vec<String>) {
    let deciding = || figures.iter().filter(|f| f.role != Role::Shown);
    let worse: Vec<String> = deciding()
        .filter(|f| f.verdict == FigureVerdict::Worse)
        .map(|f| format!("{} is worse: {}", f.name, f.told()))
        .collect();
    if !worse.is_empty() {
        return (ComparisonVerdict::Regression, worse);
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
                .push("no deciding figure could be judged; make more runs of each side".to_owned());
        }
        return (ComparisonVerdict::CantTell, reasons);
    }
    let reasons = leads.iter().map(|f| {
        let seen = f
            .effect
            .smallest_detectable
            .filter(|_| f.scale == Scale::Ratio);
        let seen = seen.map_or_else(String::new, |d| {
            format!(
                "; a change of {:.1} % would be found in 4 of 5 such comparisons",
                d * 100.0
            )
        });
        format!("{}: {}{seen}", f.name, f.told())
    });
    (ComparisonVerdict::NoRegression, reasons.collect())
}

impl FigureComparison {
    /// Whether every run of the baseline is 0 and the candidate is not: no ratio tells that change.
    pub fn is_from_zero(&self) -> bool {
        self.scale == Scale::Ratio && self.baseline == 0.0 && self.candidate > 0.0
    }

    /// The effect with its interval, such as `+3.1 % (+1.0 % to +5.2 %)`.
    pub fn told(&self) -> String {
        let change = |effect: f64| match self.scale {
            Scale::Ratio => format!("{:+.1} %", (effect - 1.0) * 100.0),
            Scale::Difference => format!("{:+.2} points", effect * 100.0),
        };
        // Nothing is a share of 0.
        if self.is_from_zero() {
            return "from 0".to_owned();
        }
        let estimate = change(self.effect.estimate);
        match self.effect.low.zip(self.effect.high) {
            Some((low, high)) => format!("{estimate} ({} to {})", change(low), change(high)),
            None => format!("{estimate} (no interval)"),
        }
    }
}
