//! Writes a document as a page: a self-contained file for light and dark, wide and narrow screens. The answer comes first, then the plots,
//! then the tables. Text from a scenario or a server is escaped everywhere. Knows documents, tables and plots, not their subjects.

use askama::Template;

use crate::document::Document;
use crate::error::ReportError;
use crate::plots::figure::DrawnPlot;
use crate::table::Content;

/// A key figure.
pub struct Tile {
    /// The name.
    pub name: &'static str,
    /// The value with its unit.
    pub value: String,
    /// Related figures, in small print.
    pub more: String,
}

/// What a page shows in addition to the document.
#[derive(Default)]
pub struct Pictures {
    /// The key figures, below the answer.
    pub tiles: Vec<Tile>,
    /// The plots.
    pub plots: Vec<DrawnPlot>,
    /// Plots of which only the first is unfolded.
    pub folded: FoldedPlots,
}

/// A group of folded plots.
#[derive(Default)]
pub struct FoldedPlots {
    /// The section's id.
    pub id: &'static str,
    /// The title.
    pub title: &'static str,
    /// How to read the plots.
    pub note: &'static str,
    /// The plots.
    pub plots: Vec<DrawnPlot>,
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    document: &'a Document,
    pictures: &'a Pictures,
}

/// The page of a document.
///
/// # Errors
/// The template can't be filled.
pub fn page(document: &Document, pictures: &Pictures) -> Result<String, ReportError> {
    let page = Page { document, pictures };
    page.render().map_err(|e| ReportError::Page(e.to_string()))
}

impl Content {
    /// The class in the style sheet.
    fn class(self) -> &'static str {
        match self {
            Self::Numbers => "numbers",
            Self::Words | Self::Code => "words",
        }
    }
}
