//! Replies on the message queue: `{"result": …, "positions": …}` or `{"error": …, "status": …}`.

use ordershop_domain::Rejection;
use serde::Serialize;
use serde_json::value::RawValue;

use super::facts::FactsError;
use crate::clock::now_us;
use crate::correlation::{AppendTimes, HandlerTimes};
use crate::event_store::EventStoreError;
use crate::message_queue::{Answer, Delivery};
use crate::position::Positions;
use crate::wire::json;

/// A successful reply.
#[derive(Debug, Serialize)]
pub struct Reply<T> {
    /// The result.
    pub result: T,
    /// The positions that a reader must have reached to see the changes.
    #[serde(skip_serializing_if = "Positions::is_empty")]
    pub positions: Positions,
    /// The times of the append, for a sampled request that wrote something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append: Option<AppendTimes>,
}

/// Adds the times of handling to the replies to sampled requests, errors included.
pub(super) fn tell_times(batch: &[Delivery], answers: &mut [Answer]) {
    for (delivery, answer) in batch.iter().zip(answers) {
        if let (Some(times), Answer::Reply(reply)) = (delivery.correlation.times, answer)
            && delivery.wants_reply
            && let Some(open) = reply.get().strip_suffix('}')
        {
            let handler = json(&HandlerTimes {
                received_at_us: times.received_at_us,
                answered_at_us: now_us(),
            });
            if let Ok(told) = RawValue::from_string(format!("{open},\"handler\":{handler}}}")) {
                *reply = told;
            }
        }
    }
}

#[derive(Serialize)]
struct ErrorReply<'a> {
    error: &'a str,
    status: u16,
}

/// An error reply, with its HTTP status.
#[must_use]
pub fn error_reply(error: &str, status: u16) -> Box<RawValue> {
    json(&ErrorReply { error, status })
}

/// The error of a command.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The domain refuses it: a retry fails too.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// A query for facts failed.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// The events couldn't be written.
    #[error(transparent)]
    EventStore(#[from] EventStoreError),
    /// Others kept changing the same aggregate.
    #[error("other commands keep changing {0:?}; try again")]
    Contended(String),
}

impl CommandError {
    /// Whether a retry may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Rejected(_) => false,
            Self::Facts(error) => error.is_transient(),
            Self::EventStore(error) => !matches!(error, EventStoreError::Invalid(_)),
            Self::Contended(_) => true,
        }
    }

    /// The HTTP status of the error.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Rejected(Rejection::Invalid(_)) => 400,
            Self::Rejected(Rejection::NotFound { .. }) => 404,
            Self::Rejected(Rejection::BadReference(_)) => 422,
            Self::Rejected(Rejection::Conflict(_)) => 409,
            Self::EventStore(EventStoreError::Invalid(_)) => 400,
            Self::Facts(_) | Self::EventStore(_) | Self::Contended(_) => 503,
        }
    }

    /// The error as a reply.
    #[must_use]
    pub fn reply(&self) -> Box<RawValue> {
        error_reply(&self.to_string(), self.status())
    }
}
