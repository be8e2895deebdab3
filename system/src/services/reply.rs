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
    /// What was asked for.
    pub result: T,
    /// Up to where a reader must have read to see what was done.
    #[serde(skip_serializing_if = "Positions::is_empty")]
    pub positions: Positions,
    /// Of a sampled request that wrote something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append: Option<AppendTimes>,
}

/// Puts into the replies to sampled requests, whatever else they say, when they were handled.
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

/// A refusal or a failure, with the HTTP status that fits it.
#[must_use]
pub fn error_reply(error: &str, status: u16) -> Box<RawValue> {
    json(&ErrorReply { error, status })
}

/// Why a command wasn't carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The domain refuses it: it will never succeed as it is.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Facts couldn't be had.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// It couldn't be written.
    #[error(transparent)]
    EventStore(#[from] EventStoreError),
    /// Others changed the same aggregate again and again.
    #[error("others change {0:?} at the same time; try again")]
    Contended(String),
}

impl CommandError {
    /// Whether the same command may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Rejected(_) => false,
            Self::Facts(error) => error.is_transient(),
            Self::EventStore(error) => !matches!(error, EventStoreError::Invalid(_)),
            Self::Contended(_) => true,
        }
    }

    /// The HTTP status that fits.
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

    /// As a reply.
    #[must_use]
    pub fn reply(&self) -> Box<RawValue> {
        error_reply(&self.to_string(), self.status())
    }
}
