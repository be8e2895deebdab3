//! Dead letters: messages of queues and events of consumer groups that could not be handled. Whoever looks after the shop lists and reads
//! them, and has them handled again or drops them. Knows nothing of where they are kept.

use serde::Serialize;

/// Most dead letters in one answer.
pub const DEAD_LETTERS_MAX: usize = 1_000;

/// A message or an event that could not be handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Names it: `service.function:…` for a message, `topic:group:…` for an event.
    pub id: String,
    /// Why it could not be handled.
    pub reason: String,
    /// When it became a dead letter, ms since the Unix epoch.
    pub at_ms: u64,
    /// The message or the event, as JSON if it is any.
    pub content: String,
}

/// What to do with dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadLetterRequest {
    /// Returns those of all queues and groups, oldest first in each.
    List {
        /// How many to leave out.
        skip: usize,
        /// How many to return at most, up to [`DEAD_LETTERS_MAX`].
        limit: usize,
    },
    /// Returns one.
    Show(String),
    /// Has one handled again, without anyone waiting for the answer.
    Resend(String),
    /// Deletes one.
    Drop(String),
}
