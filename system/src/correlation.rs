//! Correlation: which request an event goes back to, and what directly caused it. Travels in the queue's envelope and in every event.

use serde::{Deserialize, Serialize};

/// Where a message or an event comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correlation {
    /// The request (the gateway's, 32 hex digits as in a W3C `traceparent`) that everything goes back to.
    pub correlation_id: String,
    /// The message or the event that directly caused this one.
    pub causation_id: String,
}

impl Correlation {
    /// The same request, with another direct cause.
    #[must_use]
    pub fn caused_by(&self, causation_id: impl Into<String>) -> Self {
        Self {
            correlation_id: self.correlation_id.clone(),
            causation_id: causation_id.into(),
        }
    }
}
