//! A plot in every size, as a page shows it. Knows charts and sizes; not what they are of.

use super::bars::Bars;
use super::charts::{self, Chart};
use super::plot::FRAMES;
use crate::error::RenderError;

/// A plot in every size, with its words.
pub struct Figure {
    /// For links.
    pub id: String,
    /// Its title.
    pub title: String,
    /// How to read it.
    pub note: String,
    /// SVG made here: its text is escaped already.
    pub svgs: Vec<String>,
    /// Swatch (SVG made here) and name.
    pub legend: Vec<(String, String)>,
    /// Shades from few to many, and what the darkest stands for.
    pub shades: Vec<String>,
    /// Likewise.
    pub most: String,
}

/// The plotting library's error.
pub fn unexpected(error: Box<dyn std::error::Error>) -> RenderError {
    RenderError::Page(error.to_string())
}

/// Draws a chart in every size.
///
/// # Errors
/// Those of the plotting library.
pub fn drawn(chart: Chart) -> Result<Figure, RenderError> {
    let svgs = FRAMES.iter().map(|frame| chart.plot.svg(*frame));
    Ok(Figure {
        id: chart.id.to_owned(),
        svgs: svgs.collect::<Result<_, _>>().map_err(unexpected)?,
        legend: charts::legend(&chart.plot),
        title: chart.title,
        note: chart.note,
        shades: Vec::new(),
        most: String::new(),
    })
}

/// Draws rows of bars in every size.
///
/// # Errors
/// Those of the plotting library.
pub fn drawn_bars(
    id: String,
    title: String,
    note: String,
    bars: &Bars,
    legend: Vec<(String, String)>,
) -> Result<Figure, RenderError> {
    let svgs = FRAMES.iter().map(|frame| bars.svg(*frame));
    Ok(Figure {
        id,
        title,
        note,
        svgs: svgs.collect::<Result<_, _>>().map_err(unexpected)?,
        legend,
        shades: Vec::new(),
        most: String::new(),
    })
}
