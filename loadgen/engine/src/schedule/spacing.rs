//! How arrivals of a schedule lie to each other.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::Exp1;

/// Separates the arrivals' random numbers from those that choose journeys: both use the same seed.
const POISSON_SEED: u64 = 0x706f_6973_736f_6e00;

/// How arrivals of a schedule are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// Evenly spaced.
    Even,
    /// Independent of each other: a Poisson process whose intensity is the rate. The same seed gives the same times.
    Poisson(u64),
}

impl Spacing {
    /// The arrivals' numbers N (see [`Schedule`]), without an end.
    pub(super) fn numbers(self) -> Box<dyn Iterator<Item = f64> + Send> {
        match self {
            Self::Even => Box::new((0_u64..).map(|k| k as f64)),
            // The gaps of a Poisson process with intensity 1 are exponential with mean 1; N⁻¹ of their sums has the intensity r(t).
            Self::Poisson(seed) => {
                let mut rng = SmallRng::seed_from_u64(seed ^ POISSON_SEED);
                let mut arrived = 0.0_f64;
                Box::new(std::iter::from_fn(move || {
                    arrived += rng.sample::<f64, _>(Exp1);
                    Some(arrived)
                }))
            }
        }
    }
}
