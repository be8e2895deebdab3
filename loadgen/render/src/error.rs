//! The error of a report that can't be shown.

/// Why a report can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// An interval log can't be read.
    #[error(transparent)]
    Log(#[from] loadgen_engine::record::interval_reader::LogReadError),
    /// A plot or the page can't be drawn.
    #[error("the page can't be drawn: {0}")]
    Page(String),
    /// A file can't be written.
    #[error("{path}: {error}")]
    Output {
        /// The file.
        path: std::path::PathBuf,
        /// The cause.
        error: std::io::Error,
    },
}
