//! Growth of journeys in flight and of the backlog under constant load. If a target keeps up, both are about as large at the end as at
//! the beginning; if it does not, they grow steadily. Pure arithmetic.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::report::Report;
use loadgen_engine::record::series::Point;

/// Fewest points from which a slope is estimated.
const POINTS_MIN: usize = 5;
/// Student's t quantile of a two-sided 95 % interval.
const QUANTILE: f64 = 0.975;
/// Growth slower than this share of the throughput is ignored, however certain it is: it is noise or a machine that became busier. At
/// this share, twenty seconds of load leave one second's work behind.
const SHARE_MIN: f64 = 0.05;

/// Growth a second, with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Slope {
    /// The estimate, by least squares.
    pub per_s: f64,
    /// Lower end of the 95 % confidence interval.
    pub low: f64,
    /// Upper end of the 95 % confidence interval.
    pub high: f64,
}

/// The slopes of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// The plot of journeys in flight.
    pub in_flight: Option<Slope>,
    /// Entries not yet handled, all groups together.
    pub backlog: Option<Slope>,
    /// Entries that the groups handled a second; a journey has many entries.
    #[serde(default)]
    pub handled_per_s: f64,
}

/// Least-squares slope through equally spaced points of time (seconds) and amount; `None` for fewer than five points.
///
/// The residuals are not independent, because work that is left in one second is still there in the next. Therefore the standard error
/// is Newey and West's, with Bartlett weights up to lag 4 (n / 100)^(2/9) and the small-sample factor n / (n − 2). The interval is
/// Student's with n − 2 degrees of freedom.
pub fn slope(points: &[(f64, f64)]) -> Option<Slope> {
    if points.len() < POINTS_MIN {
        return None;
    }
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (t_mean, y_mean) = (mean(|p| p.0), mean(|p| p.1));
    let spread: f64 = points.iter().map(|p| (p.0 - t_mean).powi(2)).sum();
    let together: f64 = points.iter().map(|p| (p.0 - t_mean) * (p.1 - y_mean)).sum();
    let per_s = together / spread;
    // Each point's contribution to the error of the slope.
    let scores: Vec<f64> = points
        .iter()
        .map(|(t, y)| (t - t_mean) * (y - y_mean - per_s * (t - t_mean)))
        .collect();
    let lag_max = (4.0 * (n / 100.0).powf(2.0 / 9.0)).floor() as usize;
    let at_lag = |lag: usize| -> f64 {
        let pairs = scores.iter().zip(&scores[lag..]);
        pairs.map(|(a, b)| a * b).sum()
    };
    let weighted = (1..=lag_max).map(|lag| {
        let weight = 1.0 - lag as f64 / (lag_max as f64 + 1.0);
        2.0 * weight * at_lag(lag)
    });
    let sum = at_lag(0) + weighted.sum::<f64>();
    let error = (sum.max(0.0) * n / (n - 2.0)).sqrt() / spread;
    let student = StudentsT::new(0.0, 1.0, n - 2.0).ok()?;
    let reach = student.inverse_cdf(QUANTILE) * error;
    Some(Slope {
        per_s,
        low: per_s - reach,
        high: per_s + reach,
    })
}

impl Slope {
    /// Whether the growth is significant and more than a twentieth of the throughput `passing_per_s`.
    pub fn grows(&self, passing_per_s: f64) -> bool {
        self.low > 0.0 && self.per_s > passing_per_s * SHARE_MIN
    }

    /// The slope in words.
    pub fn said(&self) -> String {
        let digits = |n: f64| match n.abs() {
            n if n >= 10.0 => 0,
            _ => 1,
        };
        let show = |n: f64| format!("{:+.*}", digits(n), n);
        format!(
            "{}/s ({} to {})",
            show(self.per_s),
            show(self.low),
            show(self.high)
        )
    }
}

impl Growth {
    /// Estimates the slopes from a run's intervals between the end of the warm-up and the last arrival.
    pub fn of(report: &Report) -> Self {
        let (_, points) = measured(report);
        let interval_s = report.series.as_ref().map_or(1, |s| s.interval_s) as f64;
        let at = |i: usize| i as f64 * interval_s;
        let points = || points.iter().enumerate();
        let in_flight = points().filter_map(|(i, p)| Some((at(i), p.in_flight? as f64)));
        let told = points().filter(|(_, p)| !p.groups.is_empty());
        let backlog = told.map(|(i, p)| {
            let groups = p.groups.iter().flatten();
            (at(i), groups.map(|g| g.backlog as f64).sum())
        });
        let handled = points().flat_map(|(_, p)| p.groups.iter().flatten());
        let handled: u64 = handled.map(|g| g.handled).sum();
        let length_s: f64 = points().map(|(_, p)| p.length_s).sum();
        Self {
            handled_per_s: match length_s > 0.0 {
                true => handled as f64 / length_s,
                false => 0.0,
            },
            in_flight: slope(&in_flight.collect::<Vec<_>>()),
            backlog: slope(&backlog.collect::<Vec<_>>()),
        }
    }

    /// Everything that grows, in words, at this arrival rate in journeys a second.
    pub fn said(&self, arrivals_per_s: f64) -> Vec<String> {
        let all = [
            ("journeys in flight", self.in_flight, arrivals_per_s),
            ("the backlog", self.backlog, self.handled_per_s),
        ];
        all.into_iter()
            .filter_map(|(name, slope, passing)| Some((name, slope?, passing)))
            .filter(|(_, slope, passing)| slope.grows(*passing))
            .map(|(name, slope, _)| format!("{name} grew by {}", slope.said()))
            .collect()
    }
}

/// The points of the intervals between the end of the warm-up and the last arrival, and the point before them.
pub fn measured(report: &Report) -> (Option<&Point>, &[Point]) {
    let (workload, series) = (&report.workload, report.series.as_ref());
    let Some(series) = series else {
        return (None, &[]);
    };
    let interval_s = series.interval_s as f64;
    let from = (workload.warm_up_s / interval_s).ceil() as usize;
    let to = (workload.duration_s / interval_s).floor() as usize;
    let to = to.min(series.points.len());
    let before = from.checked_sub(1).and_then(|i| series.points.get(i));
    (before, series.points.get(from..to).unwrap_or_default())
}

/// The warning that the target can't sustain the rate, for a run at one constant rate without faults.
pub fn warning(report: &Report) -> Option<String> {
    let stages = &report.workload.stages;
    let rate = stages.first()?.from_per_s;
    let constant = stages
        .iter()
        .all(|s| s.from_per_s == rate && s.to_per_s == rate);
    if !constant || !report.faults.is_empty() {
        return None;
    }
    let grown = Growth::of(report).said(rate);
    (!grown.is_empty()).then(|| {
        format!(
            "{rate}/s is more than the target sustains: {}",
            grown.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};
    use rand_distr::StandardNormal;

    use super::*;

    fn at_seconds(values: &[f64]) -> Vec<(f64, f64)> {
        (0..).map(f64::from).zip(values.iter().copied()).collect()
    }

    #[test]
    fn the_slope_and_its_interval_are_those_of_a_reference() {
        // Computed independently of this program as (X'X)⁻¹ X'ΩX (X'X)⁻¹ · n / (n − 2), with t quantiles from a table.
        let short = [12.0, 15.0, 11.0, 18.0, 16.0, 21.0, 17.0, 24.0];
        let long = [
            14.0, 22.7, 18.1, 16.8, 28.2, 32.8, 26.6, 16.9, 28.6, 28.6, 23.2, 30.9, 40.6, 23.7,
            21.4, 32.2, 38.1, 32.1, 34.0, 45.8, 34.2, 28.3, 34.8, 45.3, 42.4, 39.0, 36.1, 43.2,
            37.7, 38.3,
        ];
        let rows: [(&[f64], f64, f64); 2] = [
            (&short, 1.452_380_952, 0.478_139),
            (&long, 0.772_191_324, 0.174_886),
        ];
        for (values, per_s, reach) in rows {
            let found = slope(&at_seconds(values)).unwrap();
            assert!((found.per_s - per_s).abs() < 1e-6, "{found:?}");
            assert!((found.high - found.per_s - reach).abs() < 1e-3, "{found:?}");
            assert!((found.per_s - found.low - reach).abs() < 1e-3, "{found:?}");
        }
    }

    #[test]
    fn a_straight_line_has_its_slope_without_doubt_and_few_points_have_none() {
        let line = at_seconds(&[3.0, 5.0, 7.0, 9.0, 11.0, 13.0]);
        let found = slope(&line).unwrap();
        assert!((found.per_s - 2.0).abs() < 1e-9 && (found.high - found.low) < 1e-6);
        assert_eq!(slope(&line[..4]), None);
    }

    /// y(t) = ρ y(t − 1) + noise, plus this slope.
    fn lasting(rng: &mut SmallRng, n: usize, per_s: f64, rho: f64) -> Vec<(f64, f64)> {
        let mut left = 0.0;
        let values = (0..n).map(|t| {
            left = rho * left + rng.sample::<f64, _>(StandardNormal);
            (t as f64, 50.0 + 10.0 * left + per_s * t as f64)
        });
        values.collect()
    }

    #[test]
    fn what_lasts_from_second_to_second_is_rarely_taken_for_growth_and_real_growth_nearly_always_found()
     {
        let mut rng = SmallRng::seed_from_u64(7);
        for n in [8, 28] {
            let mut found = |per_s: f64| {
                let runs = (0..1_000).map(|_| slope(&lasting(&mut rng, n, per_s, 0.3)).unwrap());
                runs.filter(|s| s.grows(1_000.0)).count()
            };
            let (steady, growing) = (found(0.0), found(100.0));
            assert!(steady <= 20, "{n} points: {steady} of 1000 for nothing");
            assert!(growing >= 990, "{n} points: {growing} of 1000");
        }
    }
}
