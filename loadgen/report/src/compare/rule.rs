//! The rules of `--fail-on`, such as `response_time.p99 > +10%`. Knows how a rule is written, not which figures there are.

use std::str::FromStr;

/// A change of a figure that is a regression.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The rule as written.
    pub text: String,
    /// The figure's name.
    pub figure: String,
    /// Whether an increase is a regression; otherwise a decrease is.
    pub increase: bool,
    /// The largest change that is no regression, as a share of at least 0; a difference for the error rate.
    pub limit: f64,
}

const FORM: &str = "FIGURE > +10% or FIGURE < -10%";

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("--fail-on `{text}`: {what}; write it as {FORM}");
        // A step's name in brackets may contain an operator.
        let after_name = text.rfind(']').unwrap_or(0);
        let at = text[after_name..]
            .find(['<', '>'])
            .map(|i| i + after_name)
            .ok_or_else(|| wrong("it compares nothing"))?;
        let increase = text[at..].starts_with('>');
        let bound = text[at + 1..].trim();
        let number = bound
            .strip_suffix('%')
            .ok_or_else(|| wrong("the bound is a change in percent"))?;
        let percent: f64 = number
            .trim()
            .parse()
            .map_err(|_| wrong(&format!("`{number}` is not a number")))?;
        let towards = if increase { percent } else { -percent };
        if !towards.is_finite() || towards < 0.0 || (!increase && towards >= 100.0) {
            return Err(wrong(match increase {
                true => "an increase must be more than 0 %",
                false => "a decrease must be less than 0 % and more than -100 %",
            }));
        }
        let figure = text[..at].trim().to_owned();
        if figure.is_empty() {
            return Err(wrong("the figure is missing"));
        }
        Ok(Self {
            text: text.trim().to_owned(),
            figure,
            increase,
            limit: towards / 100.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_a_figure_a_direction_and_how_much() {
        for (text, figure, increase, limit) in [
            ("response_time.p99 > +10%", "response_time.p99", true, 0.1),
            ("journeys.per_s<-5 %", "journeys.per_s", false, 0.05),
            (
                "response_time[\"a > b\"].p50 > 0%",
                "response_time[\"a > b\"].p50",
                true,
                0.0,
            ),
        ] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(
                (rule.figure.as_str(), rule.increase),
                (figure, increase),
                "{text}"
            );
            assert!((rule.limit - limit).abs() < 1e-12, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_answered_with_how_it_is_written() {
        for (text, what) in [
            ("response_time.p99", "compares nothing"),
            ("response_time.p99 > 10ms", "in percent"),
            ("response_time.p99 > x%", "not a number"),
            ("response_time.p99 > -10%", "more than 0 %"),
            ("journeys.per_s < -100%", "more than -100 %"),
            ("> 10%", "the figure is missing"),
        ] {
            let error = text.parse::<Rule>().unwrap_err();
            assert!(
                error.contains(what) && error.contains(FORM),
                "{text}: {error}"
            );
        }
    }
}
