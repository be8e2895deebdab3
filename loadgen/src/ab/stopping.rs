//! The stopping rule of an experiment. Only the *width* of the leading figures' intervals may end it early, checked after each block from
//! a minimum number on; never the intervals' position or a p-value: a test that is repeated until it is significant becomes significant
//! sooner or later without any effect. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Blocks before the first check: the spread of fewer blocks is too uncertain (Student's t has one degree of freedom less than there are
/// blocks), so that the width of an interval is mostly chance.
pub const BLOCKS_MIN: u32 = 6;

/// The limits of an experiment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoppingRule {
    /// The largest number of blocks; at least 1.
    pub blocks_max: u32,
    /// The experiment ends when each leading figure's interval is no wider than ± this share; with 0 it never ends early.
    pub precision: f64,
    /// No block starts that would probably end after this time.
    pub budget: Duration,
    /// Runs of a block: two of each side.
    pub block_runs: u32,
}

/// Why an experiment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The intervals are narrow enough.
    Precise,
    /// All blocks are done.
    Blocks,
    /// The budget has no time left for another block.
    Budget,
    /// Ctrl-C or a signal ended it.
    Interrupted,
    /// An agent was lost.
    AgentLost,
}

impl StopReason {
    /// The reason in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Precise => "the intervals are narrow enough",
            Self::Blocks => "all blocks are done",
            Self::Budget => "the budget has no time left for another block",
            Self::Interrupted => "interrupted",
            Self::AgentLost => "an agent was lost",
        }
    }
}

/// The progress of an experiment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExperimentProgress {
    /// Finished blocks, those with an INVALID run included.
    pub blocks: u32,
    /// Time since the first run.
    pub elapsed: Duration,
    /// Duration of the longest run so far.
    pub run_max: Duration,
    /// Half the width of the widest leading interval, as a share; `None` as long as there is no interval.
    pub half_width: Option<f64>,
}

impl StoppingRule {
    /// Why the experiment ends now; `None` if another block should run.
    pub fn end(&self, progress: &ExperimentProgress) -> Option<StopReason> {
        let narrow = progress.half_width.is_some_and(|w| w <= self.precision);
        if narrow && progress.blocks >= BLOCKS_MIN {
            return Some(StopReason::Precise);
        }
        if progress.blocks >= self.blocks_max {
            return Some(StopReason::Blocks);
        }
        (progress.elapsed + progress.run_max * self.block_runs > self.budget)
            .then_some(StopReason::Budget)
    }

    /// Upper bound of the remaining time.
    pub fn left(&self, progress: &ExperimentProgress) -> Duration {
        let blocks = self.blocks_max.saturating_sub(progress.blocks);
        let work = progress.run_max * self.block_runs * blocks;
        work.min(self.budget.saturating_sub(progress.elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand_distr::{Distribution, Normal};
    use statrs::distribution::{ContinuousCDF, StudentsT};

    const LIMITS: StoppingRule = StoppingRule {
        blocks_max: 12,
        precision: 0.03,
        budget: Duration::from_secs(600),
        block_runs: 4,
    };

    #[test]
    fn it_ends_by_width_by_blocks_or_by_time_and_else_goes_on() {
        for (blocks, elapsed_s, half_width, expected) in [
            (1, 10, Some(0.001), None), // too few blocks for the width to count
            (5, 50, Some(0.001), None),
            (6, 60, Some(0.03), Some(StopReason::Precise)),
            (6, 60, Some(0.031), None),
            (6, 60, None, None),
            (12, 120, Some(0.5), Some(StopReason::Blocks)),
            (12, 120, Some(0.01), Some(StopReason::Precise)),
            (5, 580, Some(0.5), None),
            (5, 581, Some(0.5), Some(StopReason::Budget)),
        ] {
            let progress = ExperimentProgress {
                blocks,
                elapsed: Duration::from_secs(elapsed_s),
                run_max: Duration::from_secs(5),
                half_width,
            };
            assert_eq!(LIMITS.end(&progress), expected, "{progress:?}");
        }
    }

    #[test]
    fn what_is_left_is_bounded_by_the_budget() {
        let mut progress = ExperimentProgress {
            blocks: 10,
            elapsed: Duration::from_secs(100),
            run_max: Duration::from_secs(5),
            half_width: None,
        };
        assert_eq!(LIMITS.left(&progress), Duration::from_secs(40));
        progress.elapsed = Duration::from_secs(590);
        assert_eq!(LIMITS.left(&progress), Duration::from_secs(10));
    }

    /// 20,000 experiments without an effect, for blocks of several spreads: stopping by the interval's width leaves its coverage of 0 close
    /// to the stated confidence.
    #[test]
    fn looking_at_the_width_alone_makes_hardly_more_false_alarms() {
        let quantiles: Vec<f64> = (0..=LIMITS.blocks_max)
            .map(|n| match n {
                0 | 1 => f64::INFINITY,
                n => StudentsT::new(0.0, 1.0, f64::from(n - 1))
                    .unwrap()
                    .inverse_cdf(0.975),
            })
            .collect();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        for spread in [0.01, 0.02, 0.03, 0.04, 0.06] {
            let blocks = Normal::new(0.0, spread).unwrap();
            let mut false_alarms = 0;
            for _ in 0..20_000 {
                let (mut n, mut sum, mut squares) = (0, 0.0, 0.0);
                loop {
                    let ratio: f64 = blocks.sample(&mut random);
                    (n, sum, squares) = (n + 1, sum + ratio, squares + ratio * ratio);
                    let count = f64::from(n);
                    let mean = sum / count;
                    let variance = (squares - count * mean * mean) / (count - 1.0).max(1.0);
                    let half_width = quantiles[n as usize] * (variance / count).sqrt();
                    let progress = ExperimentProgress {
                        blocks: n,
                        elapsed: Duration::ZERO,
                        run_max: Duration::ZERO,
                        half_width: (n > 1).then_some(half_width),
                    };
                    if LIMITS.end(&progress).is_some() {
                        false_alarms += u32::from(mean.abs() > half_width);
                        break;
                    }
                }
            }
            let rate = f64::from(false_alarms) / 20_000.0;
            assert!(rate < 0.08, "spread {spread}: {rate} instead of 0.05");
        }
    }
}
