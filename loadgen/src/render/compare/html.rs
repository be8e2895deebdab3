//! A comparison as a page.
use crate::compare::{Comparison, Group};
use crate::render::RenderError;

/// The page of a comparison; `runs` are the two sides, where there are reports behind them.
///
/// # Errors
/// When an interval log can't be decoded, or a plot can't be drawn.
pub fn page(
    comparison: &Comparison,
    runs: Option<(&Group, &Group)>,
) -> Result<String, RenderError> {
    let _ = (comparison, runs);
    Ok(String::new())
}
