//! Which entity a request is about.

use serde::{Deserialize, Serialize};

/// An entity that a path names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EntityPath {
    /// The kind, as the path has it.
    pub kind: String,
    /// The id.
    pub id: String,
}
