//! Ids of entities.

use std::sync::Arc;

/// An id, kept once however many records name it.
pub type Id = Arc<str>;
