//! Thresholds: `step["create order"].p(99) over 10s < 50ms`. Parsed here with everything that is allowed named in the error;
//! evaluated against what a run recorded elsewhere.

mod bound;
mod comparison;
mod entry;
mod figure;

use std::time::Duration;

pub use comparison::ComparisonOperator;
pub use figure::{FIGURES, Family, JourneyFigure, Metric, RequestFigure, Selector, Statistic};

/// The shortest window, and what a window is a multiple of: figures are collected by the second.
const WINDOW_UNIT: Duration = Duration::from_secs(1);
/// The longest window at the end: its seconds are all held in memory.
const LAST_MAX: Duration = Duration::from_secs(600);
/// The longest of the windows that follow each other.
const EVERY_MAX: Duration = Duration::from_secs(86_400);

/// The time that a threshold looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The whole run, without the warm-up and with the drain.
    Run,
    /// Each piece of this length between the warm-up's end and the last arrival: the worst one counts.
    Every(Duration),
    /// The time of this length before the last arrival.
    Last(Duration),
}

/// A parsed threshold. A run fails when it does not hold, or when its figure has no samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// The threshold's text, as written.
    pub text: String,
    /// The figure.
    pub metric: Metric,
    /// The time that the figure covers.
    pub window: Window,
    /// The comparison that must hold.
    pub comparison: ComparisonOperator,
    /// In the figure's unit: microseconds for times, a ratio for `error_rate`.
    pub bound: f64,
    /// Whether nobody wrote it: the bound on failed journeys that every run has.
    pub by_default: bool,
    /// Set if the run ends as soon as the threshold is missed, but not before this time after the warm-up.
    pub abort_after: Option<Duration>,
}

/// Two-character operators first, or `<=` would be read as `<`.
const OPERATORS: [(&str, ComparisonOperator); 5] = [
    ("<=", ComparisonOperator::LessOrEqual),
    (">=", ComparisonOperator::GreaterOrEqual),
    ("==", ComparisonOperator::Equal),
    ("<", ComparisonOperator::Less),
    (">", ComparisonOperator::Greater),
];

impl std::str::FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A step's name in brackets may hold an operator, or the word `over`.
        let after_name = text.rfind(']').unwrap_or(0);
        let (name, rest) = text.split_at(after_name);
        let (at, operator, comparison) = OPERATORS
            .iter()
            .find_map(|(sign, comparison)| Some((rest.find(sign)?, *sign, *comparison)))
            .ok_or_else(|| {
                format!("`{text}` has no comparison; allowed: FIGURE [over 10s | last 30s] (< | <= | == | >= | >) BOUND")
            })?;
        let (tail, window) = parse_window(&rest[..at])?;
        let metric = Metric::parse(format!("{name}{tail}").trim())?;
        if window != Window::Run && metric == Metric::BacklogEnd {
            return Err("`backlog_end` is measured once, after the run: it has no window".into());
        }
        let bound = Self::parse_bound(&metric, rest[at + operator.len()..].trim())?;
        bound::check(&metric, comparison, bound)?;
        Ok(Self {
            text: text.to_owned(),
            metric,
            window,
            comparison,
            bound,
            by_default: false,
            abort_after: None,
        })
    }
}

/// Takes `over 10s` or `last 30s` off the end.
fn parse_window(text: &str) -> Result<(&str, Window), String> {
    let (figure, length, every) = match (text.split_once(" over "), text.split_once(" last ")) {
        (Some((figure, length)), None) => (figure, length, true),
        (None, Some((figure, length))) => (figure, length, false),
        _ => return Ok((text, Window::Run)),
    };
    let length = length.trim().parse::<crate::duration::HumanDuration>()?.0;
    let max = if every { EVERY_MAX } else { LAST_MAX };
    if length < WINDOW_UNIT || length.subsec_nanos() != 0 || length > max {
        return Err(format!(
            "a window of {length:?} can't be judged; allowed: whole seconds, up to {max:?}"
        ));
    }
    let window = if every {
        Window::Every(length)
    } else {
        Window::Last(length)
    };
    Ok((figure, window))
}

impl Threshold {
    /// The largest share of journeys that may fail where nothing else is said.
    pub const ERROR_RATE_DEFAULT: f64 = 0.05;

    /// The bound on the share of journeys that fail; `None` for 1, which no run exceeds.
    pub fn error_rate(share: f64, by_default: bool) -> Option<Self> {
        let percent = (share * 1e8).round() / 1e6;
        let text = format!("journeys.error_rate <= {percent}%");
        let parsed = text.parse::<Self>().ok()?;
        Some(Self {
            by_default,
            ..parsed
        })
    }

    /// Whether it bounds how much of the run may fail.
    pub(crate) fn bounds_errors(&self) -> bool {
        let from_above = matches!(
            self.comparison,
            ComparisonOperator::Less | ComparisonOperator::LessOrEqual | ComparisonOperator::Equal
        );
        from_above && self.metric.counts_errors()
    }

    fn parse_bound(metric: &Metric, text: &str) -> Result<f64, String> {
        if metric.is_time() {
            let duration: crate::duration::HumanDuration = text.parse()?;
            return Ok(duration.0.as_secs_f64() * 1e6);
        }
        let percent = text.strip_suffix('%');
        if percent.is_some() && !metric.is_ratio() {
            return Err(format!(
                "`{text}` is a share, and the figure is none: it is a count or a rate a second (shares are error_rate and journeys.error_rate)"
            ));
        }
        let number: f64 =
            percent.unwrap_or(text).trim().parse().map_err(|_| {
                format!("`{text}` is not a number (a count, or a rate such as `0.1%`)")
            })?;
        if percent.is_none() && metric.is_ratio() && number == 1.0 {
            return Err("a share of 1 is all of them; did you mean `1%`?".to_owned());
        }
        Ok(if percent.is_some() {
            number / 100.0
        } else {
            number
        })
    }

    /// Whether the comparison holds for this figure.
    pub fn holds(&self, figure: f64) -> bool {
        self.comparison.holds(figure, self.bound)
    }

    /// Whether a figure on the wrong side of the bound says something before the run's end: it doesn't if the rest of the run brings it nearer.
    pub fn can_be_missed_early(&self) -> bool {
        let below_is_fine = matches!(
            self.comparison,
            ComparisonOperator::Less | ComparisonOperator::LessOrEqual
        );
        let grows = self.window == Window::Run && !self.metric.is_time() && !self.metric.is_ratio();
        self.metric != Metric::BacklogEnd && (below_is_fine || !grows)
    }

    /// How far a figure is on the wrong side of the bound. The greatest value is the worst.
    pub fn badness(&self, figure: f64) -> f64 {
        match self.comparison {
            ComparisonOperator::Less | ComparisonOperator::LessOrEqual => figure - self.bound,
            ComparisonOperator::Equal => (figure - self.bound).abs(),
            ComparisonOperator::GreaterOrEqual | ComparisonOperator::Greater => self.bound - figure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Threshold {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn a_threshold_names_a_figure_a_step_and_a_bound_in_its_unit() {
        let threshold = parsed("response_time[a < b].p99 <= 50ms");
        assert_eq!(threshold.bound, 50_000.0);
        assert_eq!(threshold.comparison, ComparisonOperator::LessOrEqual);
        assert_eq!(
            threshold.metric,
            Metric::Distribution {
                family: Family::ResponseTime,
                of: Selector::Name("a < b".into()),
                statistic: Statistic::Quantile(0.99)
            }
        );
    }

    #[test]
    fn a_rate_may_be_written_in_percent() {
        let threshold = parsed("error_rate < 0.1%");
        assert!(threshold.holds(0.0009) && !threshold.holds(0.001));
    }

    #[test]
    fn short_forms_mean_what_the_long_ones_mean() {
        let rows = [
            ("p(99) < 20ms", "response_time.p99 < 20ms"),
            ("p(99.9) < 20ms", "response_time.p999 < 20ms"),
            ("mean < 20ms", "response_time.mean < 20ms"),
            ("step[\"pay\"].p(95) < 1s", "response_time[pay].p95 < 1s"),
            ("await[\"PAID\"].max < 1s", "end_to_end[PAID].max < 1s"),
            ("requests.error_rate < 1%", "requests.error_rate < 0.01"),
        ];
        for (short, long) in rows {
            let (short, long) = (parsed(short), parsed(long));
            assert_eq!((short.metric, short.bound), (long.metric, long.bound));
        }
    }

    #[test]
    fn a_window_stands_between_figure_and_bound() {
        let rows = [
            (
                "p(99) over 10s < 50ms",
                Window::Every(Duration::from_secs(10)),
            ),
            (
                "step[\"over 9s\"].p99 last 1m < 50ms",
                Window::Last(Duration::from_secs(60)),
            ),
            (
                "error_rate over 1s == 0",
                Window::Every(Duration::from_secs(1)),
            ),
            ("journeys.failed == 0", Window::Run),
        ];
        for (text, window) in rows {
            assert_eq!(parsed(text).window, window, "{text}");
        }
    }

    #[test]
    fn the_worst_figure_is_the_one_farthest_on_the_wrong_side() {
        let below = parsed("p(99) < 20ms");
        assert!(below.badness(30_000.0) > below.badness(10_000.0));
        let above = parsed("requests.per_s > 100");
        assert!(above.badness(90.0) > above.badness(110.0));
    }

    #[test]
    fn what_is_wrong_is_answered_with_what_is_allowed() {
        for (wrong, allowed) in [
            ("latency.p99 < 5ms", "response_time"),
            ("response_time.p101 < 5ms", "p999"),
            ("p(101) < 5ms", "0 to 100"),
            ("step[\"pay\"] < 5ms", "step[\"NAME\"].p(99)"),
            ("step.p99 < 5ms", "step[\"NAME\"].p(99)"),
            ("journeys.failed", "=="),
            ("journeys[a].failed == 0", "journeys.("),
            ("workload.failed == 0", "workload[\"NAME\"]"),
            ("workload[\"a\"].tried == 0", "workload[\"NAME\"]"),
            ("response_time.p99 < 5", "200ms"),
            ("p(99) over 1500ms < 5ms", "whole seconds"),
            ("p(99) last 1h < 5ms", "up to"),
            ("backlog_end last 10s == 0", "no window"),
            ("error_rate < 5", "5%"),
            ("error_rate < 1", "1%"),
            ("journeys.completed > 95%", "a share"),
            ("requests.per_s > 95%", "a share"),
            ("error_rate < nan", "finite"),
            ("journeys.failed < inf", "finite"),
            ("error_rate >= -1", "can't fail"),
            ("error_rate <= 100%", "can't fail"),
            ("error_rate > 100%", "can't hold"),
            ("journeys.completed >= 0", "can't fail"),
            ("journeys.failed < 0", "can't hold"),
            ("journeys.failed == 0.5", "can't hold"),
            ("p(99) >= 0s", "can't fail"),
            ("p(99) < 0s", "can't hold"),
        ] {
            let error = wrong.parse::<Threshold>().unwrap_err();
            assert!(error.contains(allowed), "{wrong}: {error}");
        }
    }
}
