//! Refuses a threshold's bound that decides nothing: one that every figure meets, or none.

use super::comparison::ComparisonOperator;
use super::figure::Metric;

/// Refuses a bound that is no number, and one outside of what the figure can be. The error says what the figure can be.
pub(super) fn check(
    metric: &Metric,
    comparison: ComparisonOperator,
    bound: f64,
) -> Result<(), String> {
    if !bound.is_finite() {
        return Err("the bound must be a finite number, such as 0, 12.5 or 1%".to_owned());
    }
    let highest = if metric.is_ratio() {
        1.0
    } else {
        f64::INFINITY
    };
    // All comparisons but `==` hold up to some figure, or from some figure on: what the ends have in common, all figures between them have.
    let at_lowest = comparison.holds(0.0, bound);
    let at_highest = comparison.holds(highest, bound);
    let always = at_lowest && at_highest;
    let never = match comparison {
        ComparisonOperator::Equal => {
            !(0.0..=highest).contains(&bound) || (metric.is_count() && bound.fract() != 0.0)
        }
        _ => !at_lowest && !at_highest,
    };
    let range = match metric.is_ratio() {
        true => "the figure is a share from 0 to 1",
        false if metric.is_count() => "the figure is a whole number from 0",
        false => "the figure is never below 0",
    };
    let percent = match metric.is_ratio() && bound > 1.0 {
        true => format!("; did you mean `{bound}%`?"),
        false => String::new(),
    };
    match (always, never) {
        (true, _) => Err(format!(
            "this threshold can't fail, so that it says nothing: {range}{percent}"
        )),
        (_, true) => Err(format!(
            "this threshold can't hold, so that every run would fail: {range}{percent}"
        )),
        _ => Ok(()),
    }
}
