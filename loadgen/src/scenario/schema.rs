//! What a scenario may look like, as a JSON schema for editors: made from the types that read the file, so that the two can't
//! differ.

use serde_json::Value;

use super::file::ScenarioFile;

/// JSON Schema, draft 2020-12. It knows keys and types; what `check` knows beyond it are the names within a scenario.
pub fn schema() -> Value {
    schemars::schema_for!(ScenarioFile).to_value()
}
