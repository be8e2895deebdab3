//! Why a command is refused. Knows kinds and texts, not how a transport presents them.

/// The reason why a command is refused. A refused command changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A value is out of its range.
    #[error("{0}")]
    Invalid(String),
    /// The entity to change doesn't exist.
    #[error("there is no {kind} {id:?}")]
    NotFound {
        /// The kind of entity, such as `order`.
        kind: &'static str,
        /// The id in the command.
        id: String,
    },
    /// The command names another entity that doesn't exist, or contradicts that entity's data.
    #[error("{0}")]
    BadReference(String),
    /// The present state doesn't allow the command.
    #[error("{0}")]
    Conflict(String),
}

impl Rejection {
    /// A reference to an entity that doesn't exist.
    #[must_use]
    pub fn unknown(field: &str, kind: &str, id: &str) -> Self {
        Self::BadReference(format!("{field}: there is no {kind} {id:?}"))
    }

    /// A change of what stays as it was made: `what`, such as `the order of a billing`, is `id`.
    #[must_use]
    pub fn kept(what: &str, id: &str) -> Self {
        Self::Conflict(format!("{what} can't change: it is {id:?}"))
    }
}
