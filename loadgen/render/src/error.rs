//! A report that can't be shown.

/// A report that can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A log that can't be used.
    #[error(transparent)]
    Log(#[from] loadgen_engine::record::interval_reader::LogReadError),
    /// A plot, or the page around it.
    #[error("report.html can't be made: {0}")]
    Page(String),
    /// A file that can't be written.
    #[error("{path}: {error}")]
    Output {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        error: std::io::Error,
    },
}
