//! Why a command wasn't carried out, and the reply that says so.

use ordershop_contract::event_store::EventStoreError;
use ordershop_contract::message_queue::Delivery;
use ordershop_contract::position::Positions;
use ordershop_contract::reply::{ReplyStatus, error_reply};
use ordershop_domain::Rejection;
use serde_json::value::RawValue;

use super::facts::FactsError;

/// The error of a command.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The domain refuses it: a retry fails too.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The request was made for another version of the entity.
    #[error(
        "{id:?} is in version {version}, not in the version that If-Match names; read it again"
    )]
    OtherVersion {
        /// The entity.
        id: String,
        /// Its present version.
        version: u64,
    },
    /// The key was used for another request.
    #[error(
        "the Idempotency-Key {0:?} was used before, for a request with another body; use a new one"
    )]
    KeyReused(String),
    /// A query for facts failed.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// The events couldn't be written.
    #[error(transparent)]
    EventStore(#[from] EventStoreError),
    /// Others kept changing the same aggregate.
    #[error("other commands keep changing {0:?}; try again")]
    Contended(String),
    /// Something that is under way must end first.
    #[error("{0}; try again")]
    Busy(String),
    /// A first effect is written, or may be, and a later one isn't: the command must be carried on, whether or not anyone waits for it.
    #[error("half done: {0}")]
    HalfDone(Box<CommandError>),
}

impl CommandError {
    /// Whether a retry may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Rejected(_) | Self::OtherVersion { .. } | Self::KeyReused(_) => false,
            Self::Facts(error) => error.is_transient(),
            Self::EventStore(error) => !matches!(error, EventStoreError::Invalid(_)),
            Self::Contended(_) | Self::Busy(_) => true,
            Self::HalfDone(error) => error.is_transient(),
        }
    }

    /// The same error of a command that may have written something: by itself (`written`), or in an earlier delivery. Whoever only waits for
    /// something has looked, and has written nothing.
    #[must_use]
    pub fn carried_on(self, delivery: &Delivery, written: &Positions) -> Self {
        let begun = delivery.redeliveries > 0 || !written.is_empty();
        if begun && self.is_transient() && !matches!(self, Self::Busy(_)) {
            return Self::HalfDone(Box::new(self));
        }
        self
    }

    /// The status of the error's reply.
    #[must_use]
    pub fn status(&self) -> ReplyStatus {
        match self {
            Self::Rejected(Rejection::Invalid(_)) => ReplyStatus::Invalid,
            Self::Rejected(Rejection::NotFound { .. }) => ReplyStatus::NotFound,
            Self::Rejected(Rejection::BadReference(_)) | Self::KeyReused(_) => {
                ReplyStatus::BadReference
            }
            Self::Rejected(Rejection::Conflict(_)) => ReplyStatus::Conflict,
            Self::OtherVersion { .. } => ReplyStatus::PreconditionFailed,
            Self::EventStore(EventStoreError::Invalid(_)) => ReplyStatus::Invalid,
            Self::Facts(_) | Self::EventStore(_) | Self::Contended(_) | Self::Busy(_) => {
                ReplyStatus::Unavailable
            }
            Self::HalfDone(error) => error.status(),
        }
    }

    /// The error as a reply.
    #[must_use]
    pub fn reply(&self) -> Box<RawValue> {
        error_reply(&self.to_string(), self.status())
    }
}
