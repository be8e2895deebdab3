//! Why a step failed, as reports group it.

use loadgen_scenario::expression::EvaluationError;

/// A request's error: its kind, by which reports group errors, and an example's details.
#[derive(Debug)]
pub struct StepError {
    pub kind: String,
    pub example: String,
}

impl StepError {
    pub fn new(kind: impl Into<String>, example: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            example: example.into(),
        }
    }
}

impl From<EvaluationError> for StepError {
    fn from(error: EvaluationError) -> Self {
        Self::new("template", error.to_string())
    }
}
