//! Why a command is refused. Knows kinds and texts, not how a transport shows them.

/// Why a command is refused: nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A value is out of its range.
    #[error("{0}")]
    Invalid(String),
    /// The entity to change doesn't exist.
    #[error("there is no {kind} {id:?}")]
    NotFound {
        /// `order`, …
        kind: &'static str,
        /// The id that was asked for.
        id: String,
    },
    /// The command names another entity that doesn't exist, or states something about it that isn't so.
    #[error("{0}")]
    BadReference(String),
    /// The present state forbids it.
    #[error("{0}")]
    Conflict(String),
}

impl Rejection {
    /// A reference to an entity that doesn't exist.
    #[must_use]
    pub fn unknown(field: &str, kind: &str, id: &str) -> Self {
        Self::BadReference(format!("{field}: there is no {kind} {id:?}"))
    }
}
