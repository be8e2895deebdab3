//! A complete answer, however it came.

use std::time::Instant;

use bytes::Bytes;

use super::exchange_times::ExchangeTimes;
use super::response::ClientHeaders;

/// A complete answer.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body, decoded.
    pub body: Bytes,
    /// The body's bytes as they came, without those of chunks.
    pub wire_bytes: u64,
    /// The version that the header `ETag` names, if it is a number.
    pub version: Option<u64>,
    /// The headers that the client acts on, if there are any.
    pub headers: Option<Box<ClientHeaders>>,
    /// All headers, in their order; empty unless the request asked for them.
    pub kept_headers: Vec<(String, String)>,
    /// When the last byte had been read.
    pub completed: Instant,
    /// Set for a sampled request; of redirects, from the first request to the last answer.
    pub times: Option<Box<ExchangeTimes>>,
}
