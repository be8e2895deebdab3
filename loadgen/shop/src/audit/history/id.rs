//! Ids of entities.

use std::sync::Arc;

/// An id that is stored once, however many records refer to it.
pub type Id = Arc<str>;
