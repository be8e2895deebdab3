//! The files that reports are written to.

use std::path::Path;

use crate::error::RenderError;

/// Writes a file of a folder.
///
/// # Errors
/// The file can't be written.
pub fn write(folder: &Path, name: &str, text: &str) -> Result<(), RenderError> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(|error| RenderError::Output { path, error })
}
