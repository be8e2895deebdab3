//! The settings of the projections.

use std::time::Duration;

use super::planted_cpu_cost::PlantedCpuCost;

/// How events are projected.
#[derive(Clone, Copy, Debug)]
pub struct ProjectionConfig {
    /// How long applied events wait for others before they are written together. Queries see them at once; whole collections are read when
    /// they are written.
    pub linger: Duration,
    /// CPU time to waste for each event.
    pub planted_cpu_cost: PlantedCpuCost,
}

impl ProjectionConfig {
    /// The default of `linger`, ms.
    pub const LINGER_MS: u16 = 10;
}

impl Default for ProjectionConfig {
    fn default() -> Self {
        Self {
            linger: Duration::from_millis(Self::LINGER_MS.into()),
            planted_cpu_cost: PlantedCpuCost::default(),
        }
    }
}
