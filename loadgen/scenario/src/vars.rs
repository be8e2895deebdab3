//! Variables by name.

use serde_json::Value;

/// The variables of one journey (or of one set-up iteration), by name.
pub type Vars = serde_json::Map<String, Value>;
