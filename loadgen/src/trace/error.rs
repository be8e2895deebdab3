//! What makes planning impossible as a whole. A single bad row is never one of these: it is counted by its
//! [`Reason`](super::Reason).

use std::path::PathBuf;

/// Why no plan could be made, or a speed not be taken.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The export can't be opened.
    #[error("can't open the trace {}: {source}", path.display())]
    Open {
        /// The file asked for.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Reading broke off in the middle.
    #[error("can't read the trace: {0}")]
    Read(#[from] csv::Error),
    /// There is not even a header.
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
        /// The columns that are there, for the message.
        header: String,
    },
    /// The header has a mapped name twice, so that it is unclear which one is meant.
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
    /// The speed is no usable factor.
    #[error(
        "the speed {0} can't be replayed: it must be from 0.001 to 1000000000 (1 = as recorded, 7200 = two hours a second)"
    )]
    Speed(f64),
}
