//! Correlation: the request that an event goes back to, its direct cause and, for a sampled request, times. Part of every queue
//! message and of every event.

use serde::{Deserialize, Serialize};

use crate::clock::now_us;

/// The origin of a message or an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correlation {
    /// Id of the original request at the gateway: 32 hex digits, as in a W3C `traceparent`.
    pub correlation_id: String,
    /// Id of the message or event that directly caused this one.
    pub causation_id: String,
    /// Only for a sampled request (a flag of `traceparent`): others read no clock and carry no extra bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
}

/// When a message or an event was made, by the clock of the process that made it; microseconds since the Unix epoch, 0 for
/// what has not happened yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// When its cause reached the handler that made it.
    pub received_at_us: u64,
    /// When it was handed to the event store.
    pub submitted_at_us: u64,
}

/// When a command's events were handed to the event store and were known to be written; microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct AppendTimes {
    /// When the events were handed to the event store.
    pub submitted_at_us: u64,
    /// When the events were known to be written.
    pub committed_at_us: u64,
}

/// When a function received its message and had its reply ready; microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct HandlerTimes {
    /// When the message was taken from the queue.
    pub received_at_us: u64,
    /// When the reply was ready.
    pub answered_at_us: u64,
}

impl Correlation {
    /// A correlation of the same request with another direct cause, submitted now.
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

    /// Notes that a handler has just received the message or event.
    pub fn received(&mut self) {
        if let Some(times) = &mut self.times {
            *times = Times {
                received_at_us: now_us(),
                submitted_at_us: 0,
            };
        }
    }

    /// The same correlation without times, for messages whose times are not needed.
    #[must_use]
    pub fn untimed(&self) -> Self {
        Self {
            times: None,
            ..self.clone()
        }
    }
}
