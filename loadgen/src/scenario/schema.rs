//! The JSON schema of scenarios, for editors. It is made from the types that read the file, so that the two can't
//! differ.

use serde_json::Value;

use super::file::ScenarioFile;

/// JSON Schema, draft 2020-12. It covers keys and types; only `check` also checks the names within a scenario.
pub fn schema() -> Value {
    schemars::schema_for!(ScenarioFile).to_value()
}
