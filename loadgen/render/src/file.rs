//! The files that reports are written to.

use std::path::Path;

use crate::error::ReportError;
use loadgen_report::folder::write_whole;

/// Writes a file of a folder.
///
/// # Errors
/// The file can't be written.
pub fn write(folder: &Path, name: &str, text: &str) -> Result<(), ReportError> {
    let path = folder.join(name);
    write_whole(&path, text).map_err(|error| ReportError::Output { path, error })
}
