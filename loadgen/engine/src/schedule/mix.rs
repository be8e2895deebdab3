//! Which journey an arrival is.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use loadgen_scenario::Journey;

/// Chooses journeys by their weights.
#[derive(Debug)]
pub struct JourneyChooser {
    cumulative: Vec<f64>,
    rng: SmallRng,
}

impl JourneyChooser {
    /// A chooser of these journeys; the same seed gives the same choices.
    pub fn new(journeys: &[Journey], seed: u64) -> Self {
        let mut sum = 0.0;
        let cumulative = journeys
            .iter()
            .map(|j| {
                sum += j.weight;
                sum
            })
            .collect();
        Self {
            cumulative,
            rng: SmallRng::seed_from_u64(seed),
        }
    }

    /// The next journey's index.
    pub fn choose(&mut self) -> usize {
        let [.., total] = self.cumulative.as_slice() else {
            return 0;
        };
        if self.cumulative.len() == 1 {
            return 0;
        }
        let point = self.rng.random_range(0.0..*total);
        self.cumulative
            .partition_point(|c| *c <= point)
            .min(self.cumulative.len() - 1)
    }
}
