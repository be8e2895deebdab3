//! Statistics of a few runs: an interval that is wide enough for few, tests that assume little, and what many looks cost. Pure arithmetic
//! on numbers; knows nothing of what they measure. Distributions are statrs's.

mod holm;
mod interval;
mod permutation;

pub use holm::{Hypothesis, adjusted};
pub use interval::{Estimate, Samples};
pub use permutation::{mann_whitney, sign_flip};
