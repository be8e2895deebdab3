//! A complete answer, however it came.

use std::time::Instant;

use bytes::Bytes;

use super::answer_headers::{AnswerHeaders, ClientHeaders};
use super::exchange_times::ExchangeTimes;

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
    /// The positions that the header `X-Position` tells.
    pub position: Option<String>,
    /// The headers that the client acts on, if there are any.
    pub headers: Option<Box<ClientHeaders>>,
    /// All headers, in their order; empty unless the request asked for them.
    pub kept_headers: Vec<(String, String)>,
    /// When the last byte had been read.
    pub completed: Instant,
    /// Set for a sampled request; of redirects, from the first request to the last answer.
    pub times: Option<Box<ExchangeTimes>>,
}

impl Reply {
    /// An answer whose last byte had been read at `completed`. Its compression is not undone yet.
    pub(super) fn new(
        status: u16,
        body: Bytes,
        headers: AnswerHeaders,
        completed: Instant,
        times: Option<Box<ExchangeTimes>>,
    ) -> Self {
        Self {
            status,
            wire_bytes: body.len() as u64,
            body,
            version: headers.version,
            position: headers.position,
            headers: headers.acted_on,
            kept_headers: headers.all,
            completed,
            times,
        }
    }

    /// Whether a customer may go on from it: with a cookie, or to another place.
    pub(super) fn leads_further(&self) -> bool {
        let leads =
            |headers: &ClientHeaders| headers.location.is_some() || !headers.cookies.is_empty();
        self.headers.as_deref().is_some_and(leads)
    }
}
