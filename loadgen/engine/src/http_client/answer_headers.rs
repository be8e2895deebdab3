//! What is kept of an answer's headers, however they came. Must not know where an answer ends.

use std::time::Duration;

use super::entity_tag::version_of_tag;
use super::request::Request;

/// Headers that few answers have, and that the client acts on.
#[derive(Debug, Default)]
pub struct ClientHeaders {
    /// `Location`.
    pub location: Option<String>,
    /// `Set-Cookie`, a line each.
    pub cookies: Vec<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Retry-After`, if it is a number of seconds.
    pub retry_after: Option<Duration>,
}

/// What is kept of the headers of one answer.
#[derive(Debug, Default)]
pub(super) struct AnswerHeaders {
    /// Whether to keep `server_timing`.
    pub wants_timing: bool,
    /// Whether to keep `all`.
    pub wants_all: bool,
    /// The version that the header `ETag` names.
    pub version: Option<u64>,
    /// Where the shop's events of a write stand, of the header `X-Position`.
    pub position: Option<String>,
    /// The value of the header `Server-Timing`.
    pub server_timing: Option<String>,
    /// Set if there are any.
    pub acted_on: Option<Box<ClientHeaders>>,
    /// All headers, in their order.
    pub all: Vec<(String, String)>,
}

impl AnswerHeaders {
    /// Nothing read yet of the answer to this request.
    pub fn to(request: &Request<'_>) -> Self {
        Self {
            wants_timing: request.is_sampled(),
            wants_all: request.keeps_headers,
            ..Self::default()
        }
    }

    /// Takes the next header.
    pub fn add(&mut self, name: &str, value: &[u8]) {
        if name.eq_ignore_ascii_case("etag") {
            self.version = std::str::from_utf8(value).ok().and_then(version_of_tag);
        } else if name.eq_ignore_ascii_case("x-position") {
            self.position = Some(text(value));
        } else if name.eq_ignore_ascii_case("set-cookie") {
            let acted_on = self.acted_on.get_or_insert_default();
            acted_on.cookies.push(text(value));
        } else if name.eq_ignore_ascii_case("location") {
            let acted_on = self.acted_on.get_or_insert_default();
            acted_on.location.get_or_insert_with(|| text(value));
        } else if name.eq_ignore_ascii_case("content-encoding") {
            let acted_on = self.acted_on.get_or_insert_default();
            append(&mut acted_on.content_encoding, value);
        } else if name.eq_ignore_ascii_case("retry-after") {
            let acted_on = self.acted_on.get_or_insert_default();
            acted_on.retry_after = text(value).trim().parse().ok().map(Duration::from_secs);
        } else if self.wants_timing && name.eq_ignore_ascii_case("server-timing") {
            append(&mut self.server_timing, value);
        }
        if self.wants_all {
            self.all.push((name.to_owned(), text(value)));
        }
    }
}

/// Several headers of one name are one list (RFC 9110, 5.3).
fn append(said: &mut Option<String>, value: &[u8]) {
    let said = said.get_or_insert_default();
    if !said.is_empty() {
        said.push(',');
    }
    said.push_str(&text(value));
}

/// A header's value as text: without the line breaks of a continued one.
fn text(value: &[u8]) -> String {
    let value = String::from_utf8_lossy(value);
    match value.contains(['\r', '\n']) {
        true => value.split_whitespace().collect::<Vec<_>>().join(" "),
        false => value.into_owned(),
    }
}
