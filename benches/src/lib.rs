//! What the benches share: how criterion is set up, a Redis of one's own with the runtime around it, samples of what is sent, and
//! the bare commands that stand as floors. Knows nothing of what one bench alone measures.

pub mod bare;
pub mod sample;
pub mod stage;

use std::time::Duration;

use criterion::Criterion;

/// Criterion as all benches use it: short enough that the whole set ends within some ten minutes. The arguments of `cargo bench --` win over it.
#[must_use]
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
}
