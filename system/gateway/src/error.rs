//! HTTP errors: a status and one sentence in JSON, never a stack trace.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use ordershop_contract::message_queue::QueueError;

/// The only version of the WebSocket protocol (RFC 6455).
pub(super) const WEBSOCKET_VERSION: &str = "13";

/// An error answer to a request.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct HttpError {
    /// 4xx or 5xx.
    pub(super) status: StatusCode,
    /// What is wrong and what to do.
    pub(super) message: String,
    /// The route's methods, for the `Allow` header of a 405.
    pub(super) allow: Option<Arc<str>>,
}

impl HttpError {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            allow: None,
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn wrong_method(method: &str, path: &str, allow: Arc<str>) -> Self {
        let message = format!("{path} does not support {method}; use one of {allow}");
        Self {
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, message)
        }
    }
}

impl IntoResponse for HttpError {
    /// The answer with body `{"error": message}`.
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.message }).to_string();
        let mut response = json(self.status, body);
        let headers = response.headers_mut();
        if let Some(allow) = self.allow {
            let allow = HeaderValue::from_str(&allow).expect("the names of methods are plain text");
            headers.insert(header::ALLOW, allow);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            let version = HeaderValue::from_static(WEBSOCKET_VERSION);
            headers.insert(header::SEC_WEBSOCKET_VERSION, version);
        }
        response
    }
}

impl HttpError {
    /// The error of a query. It changes nothing, so that asking again is always right.
    pub(super) fn of_query(error: QueueError) -> Self {
        match error {
            QueueError::Timeout { .. } => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, format!("{error}; try again"))
            }
            QueueError::Indeterminate(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
            other => other.into(),
        }
    }
}

impl From<QueueError> for HttpError {
    /// The error of a command: 503 if it was surely not begun, 504 if nobody knows.
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Timeout { .. } | QueueError::Indeterminate(_) => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                format!("{error}; outcome unknown: repeat it with the same Idempotency-Key"),
            ),
            QueueError::Invalid(_) => Self::bad_request(error.to_string()),
            QueueError::Unavailable(_)
            | QueueError::NotBegun { .. }
            | QueueError::Overloaded { .. }
            | QueueError::Closed => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

/// An answer with a JSON body.
pub(super) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
