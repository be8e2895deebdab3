//! A plot in every size, as a page shows it. Knows charts and sizes, but not what they show.

use super::bars::Bars;
use super::charts::{self, Chart};
use super::plot::FRAMES;
use crate::error::ReportError;

/// A plot in every size, with its texts.
pub struct DrawnPlot {
    /// The element's id.
    pub id: String,
    /// The title.
    pub title: String,
    /// How to read the plot.
    pub note: String,
    /// The plot as SVG for each size; its text is already escaped.
    pub svgs: Vec<String>,
    /// Swatch (SVG) and name of each entry of the legend.
    pub legend: Vec<(String, String)>,
    /// The heat map's shades, from few to many requests.
    pub shades: Vec<String>,
    /// The number of requests that the last shade stands for.
    pub most: String,
}

/// Converts an error of the plotting library.
pub fn unexpected(error: Box<dyn std::error::Error>) -> ReportError {
    ReportError::Page(error.to_string())
}

/// Draws a chart in every size.
///
/// # Errors
/// The errors of the plotting library.
pub fn drawn(chart: Chart) -> Result<DrawnPlot, ReportError> {
    let svgs = FRAMES.iter().map(|frame| chart.plot.svg(*frame));
    Ok(DrawnPlot {
        id: chart.id.to_owned(),
        svgs: svgs.collect::<Result<_, _>>().map_err(unexpected)?,
        legend: charts::legend(&chart.plot),
        title: chart.title,
        note: chart.note,
        shades: Vec::new(),
        most: String::new(),
    })
}

/// Draws bars in every size.
///
/// # Errors
/// The errors of the plotting library.
pub fn drawn_bars(
    id: String,
    title: String,
    note: String,
    bars: &Bars,
    legend: Vec<(String, String)>,
) -> Result<DrawnPlot, ReportError> {
    let svgs = FRAMES.iter().map(|frame| bars.svg(*frame));
    Ok(DrawnPlot {
        id,
        title,
        note,
        svgs: svgs.collect::<Result<_, _>>().map_err(unexpected)?,
        legend,
        shades: Vec::new(),
        most: String::new(),
    })
}
