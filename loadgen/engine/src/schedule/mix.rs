//! Which journey an arrival is.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Where a number says which workload it is of: above every number of a journey.
const WORKLOAD_SHIFT: u32 = 48;

/// A seed, or a journey's number, of this workload: no two workloads may draw the same random numbers.
pub fn of_workload(number: u64, workload: usize) -> u64 {
    number ^ ((workload as u64) << WORKLOAD_SHIFT)
}

/// Chooses journeys by their weights.
#[derive(Debug)]
pub struct JourneyChooser {
    journeys: Vec<usize>,
    cumulative: Vec<f64>,
    rng: SmallRng,
}

impl JourneyChooser {
    /// A chooser of these journeys, each an index and a weight; the same seed gives the same choices.
    pub fn new(mix: &[(usize, f64)], seed: u64) -> Self {
        let mut sum = 0.0;
        let cumulative = mix
            .iter()
            .map(|(_, weight)| {
                sum += weight;
                sum
            })
            .collect();
        Self {
            journeys: mix.iter().map(|(journey, _)| *journey).collect(),
            cumulative,
            rng: SmallRng::seed_from_u64(seed),
        }
    }

    /// The next journey's index.
    pub fn choose(&mut self) -> usize {
        let place = match self.cumulative.as_slice() {
            [] | [_] => 0,
            [.., total] => {
                let point = self.rng.random_range(0.0..*total);
                let place = self.cumulative.partition_point(|c| *c <= point);
                place.min(self.cumulative.len() - 1)
            }
        };
        self.journeys.get(place).copied().unwrap_or(0)
    }
}
