//! Correlation: which request an event goes back to, what directly caused it and, of a sampled request, when. Travels in the
//! queue's envelope and in every event.

use serde::{Deserialize, Serialize};

use crate::clock::now_us;

/// Where a message or an event comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correlation {
    /// The request (the gateway's, 32 hex digits as in a W3C `traceparent`) that everything goes back to.
    pub correlation_id: String,
    /// The message or the event that directly caused this one.
    pub causation_id: String,
    /// Only of a request that asked for it (`traceparent`'s sampled flag): the others pay for no clock and no byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
}

/// When a message or an event was made, by the clock of the process that made it; microseconds since the Unix epoch, 0 where
/// that has not happened yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Its cause had reached the handler that made it.
    pub received_at_us: u64,
    /// It was handed to the event store.
    pub submitted_at_us: u64,
}

/// When a command's events were handed to the event store and known to be written; microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct AppendTimes {
    /// Handed over.
    pub submitted_at_us: u64,
    /// Known to be written.
    pub committed_at_us: u64,
}

/// When a function had its message and when it had its reply ready; microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct HandlerTimes {
    /// Taken from the queue.
    pub received_at_us: u64,
    /// The reply was ready.
    pub answered_at_us: u64,
}

impl Correlation {
    /// The same request, with another direct cause, made now.
    #[must_use]
    pub fn caused_by(&self, causation_id: impl Into<String>) -> Self {
        Self {
            correlation_id: self.correlation_id.clone(),
            causation_id: causation_id.into(),
            times: self.times.map(|times| Times {
                submitted_at_us: now_us(),
                ..times
            }),
        }
    }

    /// A handler has just received what this belongs to.
    pub fn received(&mut self) {
        if let Some(times) = &mut self.times {
            *times = Times {
                received_at_us: now_us(),
                submitted_at_us: 0,
            };
        }
    }

    /// The same, for messages on the side whose times nobody asks for.
    #[must_use]
    pub fn untimed(&self) -> Self {
        Self {
            times: None,
            ..self.clone()
        }
    }
}
