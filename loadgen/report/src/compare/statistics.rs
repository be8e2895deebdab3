//! Statistics of a few runs: an interval that is wide enough for few samples, and the adjustment for multiple tests. Pure arithmetic;
//! knows nothing about what the numbers measure. Distributions come from statrs.

mod holm;
mod interval;

pub use holm::{Hypothesis, adjusted};
pub use interval::{Estimate, Samples};
