//! Converts the traits' errors to gRPC statuses and back.

use tonic::{Code, Status};

use ordershop_contract::event_store::EventStoreError;
use ordershop_contract::message_queue::QueueError;

/// The status of a store's error. An indeterminate outcome becomes `UNKNOWN`: repeating the request is safe.
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
        QueueError::Unavailable(_) | QueueError::NotBegun { .. } | QueueError::Closed => {
            Code::Unavailable
        }
        QueueError::Indeterminate(_) => Code::Unknown,
        QueueError::Timeout { .. } => Code::DeadlineExceeded,
        QueueError::Overloaded { .. } => Code::ResourceExhausted,
        QueueError::Invalid(_) => Code::InvalidArgument,
    };
    Status::new(code, error.to_string())
}

/// The store's error for a peer's status. A store that shuts down counts as unavailable: another process will soon serve it.
pub(super) fn store_error(status: &Status) -> EventStoreError {
    let text = text(status);
    match status.code() {
        Code::InvalidArgument | Code::NotFound | Code::OutOfRange => EventStoreError::Invalid(text),
        Code::ResourceExhausted => EventStoreError::Overloaded(text),
        _ => EventStoreError::Unavailable(text),
    }
}

/// The queue's error for a peer's status.
pub(super) fn queue_error(status: &Status) -> QueueError {
    let text = text(status);
    match status.code() {
        Code::InvalidArgument => QueueError::Invalid(text),
        _ => QueueError::Unavailable(text),
    }
}

/// The queue's error for a peer's status after something was put into it.
pub(super) fn put_error(status: &Status) -> QueueError {
    match status.code() {
        // How a connection that breaks shows itself.
        Code::Unknown | Code::Cancelled | Code::Internal | Code::DeadlineExceeded => {
            QueueError::Indeterminate(text(status))
        }
        _ => queue_error(status),
    }
}

fn text(status: &Status) -> String {
    match status.message() {
        "" => format!("{:?}", status.code()),
        message => message.to_owned(),
    }
}
