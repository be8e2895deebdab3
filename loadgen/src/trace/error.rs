//! Errors that make planning impossible as a whole. A single bad row is not an error: it is counted by its
//! [`Reason`](super::Reason).

use std::path::PathBuf;

/// A plan could not be made, or a speed is out of range.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The export can't be opened.
    #[error("can't open the trace {}: {source}", path.display())]
    Open {
        /// The file asked for.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// Reading failed in the middle.
    #[error("can't read the trace: {0}")]
    Read(#[from] csv::Error),
    /// The file has no header.
    #[error("the trace is empty: its first line must be a header that names the columns")]
    Empty,
    /// The mapping names a column that the header doesn't have.
    #[error(
        "the trace has no column `{name}`, which [trace.columns] names as `{role}`; its header has: {header}"
    )]
    MissingColumn {
        /// The key in the mapping, such as `unit_price`.
        role: &'static str,
        /// The column's name according to the mapping.
        name: String,
        /// The columns that exist, for the message.
        header: String,
    },
    /// The header has a mapped name more than once, so the column is ambiguous.
    #[error(
        "the trace has {count} columns `{name}`, which [trace.columns] names as `{role}`: rename all but one of them"
    )]
    AmbiguousColumn {
        /// The key in the mapping.
        role: &'static str,
        /// The column's name according to the mapping.
        name: String,
        /// How often the header has it.
        count: usize,
    },
    /// More rows than the plan, which is held in memory, may have.
    #[error(
        "the trace has more than {rows_max} rows: replay a part of it, or raise `rows_max` in [trace]"
    )]
    TooManyRows {
        /// The limit that was passed.
        rows_max: u64,
    },
    /// The speed is out of range.
    #[error(
        "the speed {0} can't be replayed: it must be from 0.001 to 1000000000 (1 = as recorded, 7200 = two hours a second)"
    )]
    Speed(f64),
}
