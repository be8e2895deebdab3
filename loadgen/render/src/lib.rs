//! Shows reports: tables for the terminal, `summary.md` and `report.html`. The last stage; decides nothing.

mod audit;
pub mod capacity;
pub mod compare;
pub mod date;
mod error;
pub mod html;
mod latency_budget;
mod resources;
mod summary;
mod table;
mod tables;

pub use audit::audit;
pub use error::RenderError;
pub use summary::{summary, verdict};
pub use tables::tables;

use loadgen_report::folder::RunFolder;

/// Writes `summary.md` and `report.html` into a run's folder.
///
/// # Errors
/// A log can't be decoded or a file can't be written.
pub fn write_all(folder: &RunFolder) -> Result<(), RenderError> {
    let write = |name: &str, text: String| {
        let path = folder.path.join(name);
        std::fs::write(&path, text).map_err(|error| RenderError::Output { path, error })
    };
    write("summary.md", summary(&folder.report))?;
    write("report.html", html::page(folder)?)
}
