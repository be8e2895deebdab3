//! The benches' shared parts: criterion's settings, a Redis with a runtime, samples of the data, and the Redis commands of the floors.
//! Knows nothing that only one bench measures.

pub mod bare;
pub mod sample;
pub mod stage;

use std::time::Duration;

use criterion::Criterion;

/// Criterion's settings for all benches: short enough that all benches end within some ten minutes. Arguments after `cargo bench --`
/// override them.
#[must_use]
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
}
