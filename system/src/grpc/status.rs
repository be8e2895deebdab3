//! What went wrong, as the status of a request. Knows the traits' errors and gRPC's codes.

use tonic::{Code, Status};

use crate::event_store::EventStoreError;
use crate::message_queue::QueueError;

/// The status of a store's error. An outcome that nobody knows is `UNKNOWN`: a repeat is safe.
pub(super) fn of_store(error: &EventStoreError) -> Status {
    let code = match error {
        EventStoreError::Unavailable(_) | EventStoreError::Closed => Code::Unavailable,
        EventStoreError::Overloaded(_) => Code::ResourceExhausted,
        EventStoreError::Indeterminate(_) => Code::Unknown,
        EventStoreError::Invalid(_) => Code::InvalidArgument,
    };
    Status::new(code, error.to_string())
}

/// The status of a queue's error.
pub(super) fn of_queue(error: &QueueError) -> Status {
    let code = match error {
        QueueError::Unavailable(_) | QueueError::Closed => Code::Unavailable,
        QueueError::Timeout { .. } => Code::DeadlineExceeded,
        QueueError::Overloaded { .. } => Code::ResourceExhausted,
    };
    Status::new(code, error.to_string())
}

/// What a peer's status means to a client of the store. A store that shuts down is another's soon: only away.
pub(super) fn store_error(status: &Status) -> EventStoreError {
    let text = text(status);
    match status.code() {
        Code::InvalidArgument | Code::NotFound | Code::OutOfRange => EventStoreError::Invalid(text),
        Code::ResourceExhausted => EventStoreError::Overloaded(text),
        _ => EventStoreError::Unavailable(text),
    }
}

/// What a peer's status means to a client of the queue.
pub(super) fn queue_error(status: &Status) -> QueueError {
    QueueError::Unavailable(text(status))
}

fn text(status: &Status) -> String {
    match status.message() {
        "" => format!("{:?}", status.code()),
        message => message.to_owned(),
    }
}
