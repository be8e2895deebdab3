//! A client's limits, and how it uses its connections.

use std::time::Duration;

/// The limits of a client.
#[derive(Debug, Clone, Copy)]
pub struct ClientLimits {
    /// Time limit of one exchange, opening a connection included.
    pub timeout: Duration,
    /// A longer answer is an error.
    pub response_bytes_max: usize,
    /// Connections open at once; further requests wait for their turn, first come, first served.
    pub connections_max: usize,
}

/// How a client uses its connections.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Whether connections are used again.
    pub keep_alive: bool,
    /// A connection is closed after this many requests.
    pub requests_per_connection: Option<u64>,
    /// HTTP/2 with at most so many requests at once on a connection; without it HTTP/1.1.
    pub streams_per_connection: Option<usize>,
    /// What answers may be compressed with: the value of `accept-encoding`.
    pub accept_encoding: Option<String>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            keep_alive: true,
            requests_per_connection: None,
            streams_per_connection: None,
            accept_encoding: None,
        }
    }
}
