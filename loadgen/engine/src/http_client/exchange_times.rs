//! Where the time of one exchange went.

use std::time::Instant;

/// The times of one exchange.
#[derive(Debug)]
pub struct ExchangeTimes {
    /// When a connection was available.
    pub connected: Instant,
    /// When the request's last byte was written.
    pub written: Instant,
    /// When the answer's first byte was read.
    pub first_byte: Instant,
    /// The value of the answer's header `Server-Timing`.
    pub server_timing: Option<String>,
}
