//! Errors of requests, as reports count them. The generator's own faults are separate: what the generator's machine lacks is
//! never counted as the target's error.

use std::io;

use rustix::io::Errno;

/// A request has no complete answer. The text is the error's kind in reports.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection could be opened.
    #[error("connect: {}", .0.kind())]
    Connect(io::Error),
    /// The generator's own machine has no descriptor, port or memory left for a connection.
    #[error("generator: {}", .0.kind())]
    Generator(io::Error),
    /// No complete answer in time.
    #[error("timeout")]
    Timeout,
    /// The connection ended before the answer was complete: the request may have been carried out or not.
    #[error("connection lost")]
    ConnectionLost(String),
    /// The answer is longer than the limit.
    #[error("answer too long")]
    TooLong,
    /// The answer is not HTTP.
    #[error("answer is not HTTP")]
    Malformed(String),
    /// The answer's body can't be decoded as its `content-encoding` says.
    #[error("answer can't be decoded")]
    Encoding(String),
    /// The target sent the request on more often than is allowed.
    #[error("too many redirects")]
    Redirects(String),
    /// The request itself is not HTTP (its path or a header, as rendered).
    #[error("bad request")]
    BadRequest(String),
}

impl HttpError {
    /// The error's details, beyond its kind.
    pub fn detail(&self) -> String {
        match self {
            Self::Connect(e) | Self::Generator(e) => e.to_string(),
            Self::ConnectionLost(e)
            | Self::Malformed(e)
            | Self::Encoding(e)
            | Self::Redirects(e)
            | Self::BadRequest(e) => e.clone(),
            Self::Timeout => "no complete answer within request_timeout".to_owned(),
            Self::TooLong => "longer than response_bytes_max allows".to_owned(),
        }
    }

    /// Converts the error of an attempt to open a connection.
    pub(super) fn opening(error: io::Error) -> Self {
        let own = [
            Errno::MFILE,
            Errno::NFILE,
            Errno::ADDRNOTAVAIL,
            Errno::NOBUFS,
            Errno::NOMEM,
        ];
        match Errno::from_io_error(&error) {
            Some(errno) if own.contains(&errno) => Self::Generator(error),
            _ => Self::Connect(error),
        }
    }
}
