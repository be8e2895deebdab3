//! Converts errors behind these contracts to gRPC statuses. The texts say what to do.

use serde_json::value::RawValue;
use tonic::Status;

use ordershop_contract::event_store::EventStoreError;
use ordershop_contract::message_queue::{QueueError, QueueNameError};
use ordershop_grpc::connection::Connection;

/// The status of an event store error.
pub(super) fn of_store(error: &EventStoreError) -> Status {
    let text = error.to_string();
    match error {
        EventStoreError::Overloaded(_) => Status::resource_exhausted(text),
        EventStoreError::Invalid(_) => Status::invalid_argument(text),
        EventStoreError::Unavailable(_)
        | EventStoreError::Indeterminate(_)
        | EventStoreError::Closed => Status::unavailable(text),
    }
}

/// The status of a message queue error.
pub(super) fn of_queue(error: &QueueError) -> Status {
    let text = error.to_string();
    match error {
        QueueError::Overloaded { .. } => Status::resource_exhausted(text),
        QueueError::Timeout { .. } | QueueError::NotBegun { .. } => Status::deadline_exceeded(text),
        QueueError::Invalid(_) => Status::invalid_argument(text),
        QueueError::Unavailable(_) | QueueError::Indeterminate(_) | QueueError::Closed => {
            Status::unavailable(text)
        }
    }
}

/// The status of a bad queue name.
pub(super) fn of_name(error: &QueueNameError) -> Status {
    let text = error.to_string();
    match error {
        QueueNameError::Malformed(_) => Status::invalid_argument(text),
        QueueNameError::TooMany => Status::resource_exhausted(text),
    }
}

/// The status of requests during shutdown.
pub(super) fn stopping() -> Status {
    Status::unavailable("the server is shutting down; reconnect")
}

/// The connection of a request.
pub(super) fn connection<T>(request: &tonic::Request<T>) -> Result<Connection, Status> {
    Connection::of(request)
        .ok_or_else(|| Status::internal("this server does not track its connections"))
}

/// An error response: `{"error": reason}`.
pub(super) fn payload(reason: &str) -> Box<RawValue> {
    #[derive(serde::Serialize)]
    struct ErrorPayload<'a> {
        error: &'a str,
    }
    serde_json::value::to_raw_value(&ErrorPayload { error: reason })
        .expect("a string always serializes")
}
