//! Thresholds: `response_time[create order].p99 < 50ms`. Parsed here with everything that is allowed named in the error;
//! evaluated against a finished report elsewhere.

use serde::{Deserialize, Deserializer};

/// Which figure a threshold looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum Metric {
    /// A statistic of a distribution; `of` is the step, the awaited state, or `group` / `group/topic`.
    #[allow(missing_docs)] // said above
    Distribution {
        family: Family,
        of: Option<String>,
        statistic: Statistic,
    },
    /// One of the journeys' counts.
    Journeys(JourneyFigure),
    /// Failed steps (requests and awaits) / steps tried, 0 to 1.
    ErrorRate,
    /// Entries that no consumer group had handled at the end, all groups together.
    BacklogEnd,
}

/// The distributions a run records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the field's own
pub enum Family {
    ResponseTime,
    ServiceTime,
    EndToEnd,
    EventLag,
    ScheduleSlip,
}

/// Statistics of a distribution, in microseconds but for `Count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the field's own
pub enum Statistic {
    P50,
    P90,
    P99,
    P999,
    Max,
    Mean,
    Count,
}

/// The journeys' figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the report's own
pub enum JourneyFigure {
    Started,
    Completed,
    Failed,
    Skipped,
    Dropped,
    Unsent,
    PerSecond,
}

/// How figure and bound are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the operators are their own explanation
pub enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// A parsed threshold. A run fails when it does not hold, or when its figure has no samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// As written.
    pub text: String,
    /// The figure.
    pub metric: Metric,
    /// The comparison that must hold.
    pub comparison: Comparison,
    /// In the figure's unit: microseconds for times, a ratio for `error_rate`.
    pub bound: f64,
}

const FIGURES: &str = "response_time.p99, response_time[STEP].p99, service_time…, end_to_end[STATE]…, event_lag[GROUP]…, schedule_slip… (p50, p90, p99, p999, max, mean, count), journeys.(started|completed|failed|skipped|dropped|unsent|per_s), error_rate, backlog_end";

impl Metric {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("unknown figure `{text}`; allowed: {FIGURES}");
        match text {
            "error_rate" => return Ok(Self::ErrorRate),
            "backlog_end" => return Ok(Self::BacklogEnd),
            _ => {}
        }
        let (head, tail) = text.rsplit_once('.').ok_or_else(wrong)?;
        if head == "journeys" {
            return Ok(Self::Journeys(match tail {
                "started" => JourneyFigure::Started,
                "completed" => JourneyFigure::Completed,
                "failed" => JourneyFigure::Failed,
                "skipped" => JourneyFigure::Skipped,
                "dropped" => JourneyFigure::Dropped,
                "unsent" => JourneyFigure::Unsent,
                "per_s" => JourneyFigure::PerSecond,
                _ => return Err(wrong()),
            }));
        }
        let (family, of) = match head.split_once('[') {
            Some((family, of)) => (
                family,
                Some(of.strip_suffix(']').ok_or_else(wrong)?.trim().to_owned()),
            ),
            None => (head, None),
        };
        let family = match family {
            "response_time" => Family::ResponseTime,
            "service_time" => Family::ServiceTime,
            "end_to_end" => Family::EndToEnd,
            "event_lag" => Family::EventLag,
            "schedule_slip" => Family::ScheduleSlip,
            _ => return Err(wrong()),
        };
        let statistic = match tail {
            "p50" => Statistic::P50,
            "p90" => Statistic::P90,
            "p99" => Statistic::P99,
            "p999" => Statistic::P999,
            "max" => Statistic::Max,
            "mean" => Statistic::Mean,
            "count" => Statistic::Count,
            _ => return Err(wrong()),
        };
        Ok(Self::Distribution {
            family,
            of,
            statistic,
        })
    }

    fn is_time(&self) -> bool {
        matches!(self, Self::Distribution { statistic, .. } if *statistic != Statistic::Count)
    }
}

impl std::str::FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Two-character operators first, or `<=` would be read as `<`. A step's name in brackets may hold any of them.
        let operators = [
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("==", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let after_name = text.rfind(']').unwrap_or(0);
        let (at, operator, comparison) = operators
            .iter()
            .find_map(|(sign, comparison)| {
                Some((
                    text[after_name..].find(sign)? + after_name,
                    *sign,
                    *comparison,
                ))
            })
            .ok_or_else(|| {
                format!("`{text}` compares nothing; allowed: FIGURE (< | <= | == | >= | >) BOUND")
            })?;
        let metric = Metric::parse(text[..at].trim())?;
        let bound = Self::parse_bound(&metric, text[at + operator.len()..].trim())?;
        Ok(Self {
            text: text.to_owned(),
            metric,
            comparison,
            bound,
        })
    }
}

impl Threshold {
    fn parse_bound(metric: &Metric, text: &str) -> Result<f64, String> {
        if metric.is_time() {
            let duration: crate::duration::HumanDuration = text.parse()?;
            return Ok(duration.0.as_secs_f64() * 1e6);
        }
        let percent = text.strip_suffix('%');
        let number: f64 =
            percent.unwrap_or(text).trim().parse().map_err(|_| {
                format!("`{text}` is not a number (a count, or a rate such as `0.1%`)")
            })?;
        Ok(if percent.is_some() {
            number / 100.0
        } else {
            number
        })
    }

    /// Whether the comparison holds for this figure.
    pub fn holds(&self, figure: f64) -> bool {
        match self.comparison {
            Comparison::Less => figure < self.bound,
            Comparison::LessOrEqual => figure <= self.bound,
            Comparison::Equal => figure == self.bound,
            Comparison::GreaterOrEqual => figure >= self.bound,
            Comparison::Greater => figure > self.bound,
        }
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test fails by panicking
    use super::*;

    #[test]
    fn a_threshold_names_a_figure_a_step_and_a_bound_in_its_unit() {
        let threshold: Threshold = "response_time[a < b].p99 <= 50ms".parse().unwrap();
        assert_eq!(threshold.bound, 50_000.0);
        assert_eq!(threshold.comparison, Comparison::LessOrEqual);
        let of = Some("a < b".to_owned());
        assert_eq!(
            threshold.metric,
            Metric::Distribution {
                family: Family::ResponseTime,
                of,
                statistic: Statistic::P99
            }
        );
    }

    #[test]
    fn a_rate_may_be_written_in_percent() {
        let threshold: Threshold = "error_rate < 0.1%".parse().unwrap();
        assert!(threshold.holds(0.0009) && !threshold.holds(0.001));
    }

    #[test]
    fn what_is_wrong_is_answered_with_what_is_allowed() {
        for (wrong, allowed) in [
            ("latency.p99 < 5ms", "response_time"),
            ("response_time.p98 < 5ms", "p999"),
            ("journeys.failed", "=="),
            ("response_time.p99 < 5", "200ms"),
        ] {
            let error = wrong.parse::<Threshold>().unwrap_err();
            assert!(error.contains(allowed), "{wrong}: {error}");
        }
    }
}
