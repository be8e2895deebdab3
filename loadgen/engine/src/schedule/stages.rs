//! A schedule's rate over time, and the time of each arrival by it.

use std::time::Duration;

use super::spacing::Spacing;
use loadgen_scenario::Stage;

/// The arrivals of piecewise linear rates.
///
/// With the rate r(t) going from r₀ to r₁ in D seconds, N(t) = r₀t + (r₁ − r₀)t² / 2D journeys have arrived by t, and arrival k is
/// due when N(t) = k. Solved for t in the form that stays exact for a constant rate (r₁ = r₀): t = 2k / (r₀ + √(r₀² + 2ak)),
/// a = (r₁ − r₀) / D.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub(super) stages: Vec<Stage>,
}

impl Schedule {
    /// A schedule of these stages.
    pub fn new(stages: Vec<Stage>) -> Self {
        Self { stages }
    }

    /// The stages, in order.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// How long the whole schedule is.
    pub fn duration(&self) -> Duration {
        self.stages.iter().map(|s| s.duration).sum()
    }

    /// The intended rate at this time, in journeys a second.
    pub fn rate_at(&self, offset: Duration) -> f64 {
        let mut start = Duration::ZERO;
        for stage in &self.stages {
            if offset < start + stage.duration {
                let part = (offset - start).as_secs_f64() / stage.duration.as_secs_f64();
                return stage.from + (stage.to - stage.from) * part;
            }
            start += stage.duration;
        }
        0.0
    }

    /// The intended start of arrival k in nanoseconds, or `None` if the schedule ends before it.
    pub fn arrival_ns(&self, k: u64) -> Option<u64> {
        self.reached_ns(k as f64)
    }

    /// N⁻¹: when this many journeys have arrived, in nanoseconds. `None` if the schedule ends before.
    pub(super) fn reached_ns(&self, arrived: f64) -> Option<u64> {
        let (mut start_s, mut before) = (0.0, 0.0);
        for stage in &self.stages {
            let seconds = stage.duration.as_secs_f64();
            let within = (stage.from + stage.to) / 2.0 * seconds;
            let nth = arrived - before;
            // A stage of n journeys has the arrivals 0 to n − 1; rounding must not move one past its end.
            if nth < within - 1e-9 {
                let slope = (stage.to - stage.from) / seconds;
                let t = if nth <= 0.0 {
                    0.0
                } else {
                    2.0 * nth
                        / (stage.from
                            + (stage.from * stage.from + 2.0 * slope * nth)
                                .max(0.0)
                                .sqrt())
                };
                return Some(((start_s + t) * 1e9).round() as u64);
            }
            start_s += seconds;
            before += within;
        }
        None
    }

    /// The intended starts of its arrivals, in nanoseconds.
    pub fn offsets_ns(self, spacing: Spacing) -> impl Iterator<Item = u64> + Send {
        let numbers = spacing.numbers();
        numbers.map_while(move |number| self.reached_ns(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Arrivals;
    use loadgen_scenario::share::Share;

    fn stage(seconds: u64, from: f64, to: f64) -> Stage {
        Stage {
            duration: Duration::from_secs(seconds),
            from,
            to,
        }
    }

    #[test]
    fn a_constant_rate_gives_evenly_spaced_arrivals_and_then_none() {
        let schedule = Schedule::new(vec![stage(2, 200.0, 200.0)]);
        let rows = [
            (0, Some(0)),
            (1, Some(5_000_000)),
            (200, Some(1_000_000_000)),
            (399, Some(1_995_000_000)),
            (400, None),
        ];
        for (k, expected) in rows {
            assert_eq!(schedule.arrival_ns(k), expected, "arrival {k}");
        }
    }

    #[test]
    fn a_ramp_has_as_many_arrivals_as_the_area_under_it_and_they_come_closer_and_closer() {
        let schedule = Schedule::new(vec![stage(10, 0.0, 100.0)]);
        let all: Vec<u64> = (0..).map_while(|k| schedule.arrival_ns(k)).collect();
        assert_eq!(all.len(), 500);
        let gaps: Vec<u64> = all.windows(2).map(|w| w[1] - w[0]).collect();
        assert!(gaps.windows(2).all(|g| g[1] <= g[0] + 1), "gaps shrink");
        assert_eq!(
            all[125], 5_000_000_000,
            "a quarter of the arrivals in the first half"
        );
    }

    #[test]
    fn stages_follow_each_other_without_a_gap_or_a_repeat() {
        let schedule = Schedule::new(vec![
            stage(1, 10.0, 10.0),
            stage(1, 0.0, 0.0),
            stage(1, 20.0, 20.0),
        ]);
        let all: Vec<u64> = (0..).map_while(|k| schedule.arrival_ns(k)).collect();
        assert_eq!(all.len(), 30);
        assert_eq!(
            (all[9], all[10], all[11]),
            (900_000_000, 2_000_000_000, 2_050_000_000)
        );
    }

    #[test]
    fn poisson_arrivals_have_the_asked_rate_exponential_gaps_and_come_again_with_the_seed() {
        let schedule = Schedule::new(vec![stage(100, 1_000.0, 1_000.0)]);
        let all: Vec<u64> = schedule.clone().offsets_ns(Spacing::Poisson(7)).collect();
        // 100,000 ± 316 is one standard deviation; five never happen.
        assert!((98_420..=101_580).contains(&all.len()), "{}", all.len());
        let gaps: Vec<f64> = all.windows(2).map(|w| (w[1] - w[0]) as f64 / 1e6).collect();
        let share = |bound: f64| gaps.iter().filter(|g| **g > bound).count() as f64;
        for bound in [0.5, 1.0, 2.0, 4.0] {
            // P(gap > t) = e^(−t) for a mean of 1 ms.
            let (found, expected) = (share(bound) / gaps.len() as f64, (-bound).exp());
            assert!((found / expected - 1.0).abs() < 0.1, "{bound}: {found}");
        }
        assert!(
            schedule
                .clone()
                .offsets_ns(Spacing::Poisson(7))
                .eq(all.iter().copied())
        );
        assert!(
            schedule.offsets_ns(Spacing::Poisson(8)).ne(all),
            "another seed, other times"
        );
    }

    #[test]
    fn poisson_arrivals_follow_a_ramp() {
        let schedule = Schedule::new(vec![stage(100, 0.0, 2_000.0)]);
        let all: Vec<u64> = schedule.offsets_ns(Spacing::Poisson(7)).collect();
        let half = all.partition_point(|at| *at < 50_000_000_000) as f64;
        let share = half / all.len() as f64;
        assert!(
            (0.24..0.26).contains(&share),
            "a quarter in the first half: {share}"
        );
    }

    #[test]
    fn shares_together_are_the_arrivals_of_one_driver() {
        let mix = [(0, 3.0), (1, 1.0)];
        let schedule = Schedule::new(vec![stage(1, 1_000.0, 1_000.0)]);
        let of = |share| {
            Arrivals::scheduled(schedule.clone(), Spacing::Even, &mix, 7, share)
                .map(|a| (a.offset_ns, a.journey))
                .collect::<Vec<_>>()
        };
        let mut together: Vec<_> = Share::all(3).flat_map(of).collect();
        together.sort_unstable();
        assert_eq!(together, of(Share::WHOLE));
    }

    #[test]
    fn the_rate_asked_follows_the_stages() {
        let schedule = Schedule::new(vec![stage(10, 0.0, 100.0), stage(5, 100.0, 100.0)]);
        assert_eq!(schedule.rate_at(Duration::from_secs(5)), 50.0);
        assert_eq!(schedule.rate_at(Duration::from_secs(12)), 100.0);
        assert_eq!(schedule.rate_at(Duration::from_secs(20)), 0.0);
    }
}
