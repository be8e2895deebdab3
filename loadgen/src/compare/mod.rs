//! Two builds held against each other: per figure the ratio, how sure it is, and whether it is better, worse or the same. The unit of
//! every statistic is the run (or the block of interleaved runs), never the request: samples of one run are not independent.
//! Knows reports; must not know how a comparison is shown.

mod error;
mod group;
mod options;
mod outcome;

pub use error::CompareError;
pub use group::Group;
pub use options::Options;
pub use outcome::{
    Comparison, Design, Effect, FigureComparison, FigureVerdict, Role, Scale, Schema, Side, Unit,
    Verdict,
};

/// Compares two groups of runs.
///
/// # Errors
/// What can't be compared, with what differs; see [`CompareError`].
pub fn compare(
    baseline: &Group,
    candidate: &Group,
    options: &Options,
) -> Result<Comparison, CompareError> {
    let _ = (baseline, candidate, options);
    Err(CompareError::Empty {
        group: candidate.label.clone(),
    })
}
