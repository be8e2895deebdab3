//! When journeys should start: a pure function from an arrival's number to its intended start. Every later stage measures from
//! these times, so nothing here may look at a clock.

mod arrivals;
mod crowd;
mod hold;
mod mix;
mod spacing;
mod stages;

pub use arrivals::{Arrival, Arrivals};
pub use crowd::Crowd;
pub use hold::Hold;
pub use mix::{JourneyChooser, of_workload};
pub use spacing::Spacing;
pub use stages::Schedule;
