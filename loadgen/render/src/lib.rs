//! Shows reports: each subject (a run, a comparison, a search for capacity) becomes a document of plain tables, and text, Markdown and pages
//! are written from documents. The last stage; decides nothing.

mod audit;
pub mod capacity;
pub mod comparison;
pub mod date;
mod document;
mod error;
mod file;
mod junit;
mod markdown;
mod page;
mod plots;
mod quantity;
pub mod run;
mod table;
mod text;
mod visible;

pub use audit::audit;
pub use document::{Answer, Document};
pub use error::ReportError;
pub use junit::{junit, junit_of_no_run};
pub use markdown::markdown;
pub use text::{answer, text};
