//! Decodes answers: finds where an answer ends and whether the connection can be used again. Pure: it gets the bytes read so far
//! and says whether the answer is complete. Must not know sockets.

use std::mem::MaybeUninit;
use std::time::Duration;

use super::answer_headers::AnswerHeaders;
use super::chunks::Chunks;
use super::error::HttpError;

/// This many header lines are parsed without asking for memory.
const HEADERS_USUAL: usize = 64;
/// A longer head is refused; more header lines than fit into it can't be there.
const HEAD_BYTES_MAX: usize = 256 << 10;
/// The shortest header line: `a:` and its end.
const HEADER_BYTES_MIN: usize = 3;

/// How the end of the body is known.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

#[derive(Debug, Clone, Copy)]
struct ResponseHead {
    status: u16,
    keep_alive: bool,
    /// It says `connection: close`.
    closes: bool,
    idle_max: Option<Duration>,
    length: Option<usize>,
    /// Its body is coded in another way than by chunks, so no length counts.
    is_coded: bool,
    framing: Framing,
}

/// A complete answer, in the buffer it was read into or, if chunked, in `Decoder::chunks`.
#[derive(Debug)]
pub struct Complete {
    /// The status.
    pub status: u16,
    /// The body's range in the bytes read; for chunks, in `Decoder::chunks`.
    pub body: std::ops::Range<usize>,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
    /// How long the target keeps an idle connection, if it says so.
    pub idle_max: Option<Duration>,
}

/// Decodes one answer while it is being read.
#[derive(Debug)]
pub struct Decoder {
    to_head: bool,
    /// What is kept of its headers.
    pub(super) headers: AnswerHeaders,
    bytes_max: usize,
    head: Option<ResponseHead>,
    /// The index of the body in the bytes read.
    body_start: usize,
    /// The body without its chunks' sizes.
    pub(super) chunks: Option<Chunks>,
}

fn malformed(problem: impl ToString) -> HttpError {
    HttpError::Malformed(problem.to_string())
}

/// Takes what servers send: lines continued on the next one, spaces before a colon, lines that are no header.
fn parser() -> httparse::ParserConfig {
    let mut parser = httparse::ParserConfig::default();
    parser
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .allow_space_before_first_header_name(true)
        .ignore_invalid_headers_in_responses(true);
    parser
}

impl Decoder {
    /// A decoder for the answer to one request. The answer to a HEAD has no body, whatever its headers say.
    pub(super) fn new(to_head: bool, bytes_max: usize, headers: AnswerHeaders) -> Self {
        Self {
            to_head,
            headers,
            bytes_max,
            head: None,
            body_start: 0,
            chunks: None,
        }
    }

    /// Decodes all bytes read so far; `None` while the answer is incomplete. Moves chunks out of `read`.
    pub fn advance(&mut self, read: &mut Vec<u8>) -> Result<Option<Complete>, HttpError> {
        let head = match self.head {
            Some(head) => head,
            None => match self.read_head(read)? {
                Some(head) => head,
                None => return Ok(None),
            },
        };
        match head.framing {
            Framing::Length(length) => {
                let end = self.body_start + length;
                if read.len() < end {
                    read.reserve(end - read.len());
                    return Ok(None);
                }
                // Bytes after the answer belong to no request: the connection can't be used again.
                let keep_alive = head.keep_alive && read.len() == end;
                Ok(Some(self.complete(head, self.body_start..end, keep_alive)))
            }
            Framing::Chunked => {
                let chunks = self.chunks.get_or_insert_with(Chunks::new);
                let done = chunks.advance(read, self.bytes_max)?;
                let length = chunks.body.len();
                let keep_alive = head.keep_alive && read.is_empty();
                Ok(done.then(|| self.complete(head, 0..length, keep_alive)))
            }
            Framing::UntilClose if read.len() - self.body_start > self.bytes_max => {
                Err(HttpError::TooLong)
            }
            Framing::UntilClose => Ok(None),
        }
    }

    /// Handles the connection's end: some answers end with it.
    pub fn closed(&self, read: &[u8]) -> Result<Complete, HttpError> {
        match self.head {
            Some(head) if head.framing == Framing::UntilClose => {
                Ok(self.complete(head, self.body_start..read.len(), false))
            }
            head => {
                let (bytes, part) = match (head, &self.chunks) {
                    (None, _) => (read.len(), ""),
                    (Some(_), None) => (read.len() - self.body_start, "'s body"),
                    (Some(_), Some(chunks)) => (chunks.body.len(), "'s body"),
                };
                Err(HttpError::ConnectionLost(format!(
                    "closed after {bytes} bytes of an answer{part}"
                )))
            }
        }
    }

    fn complete(
        &self,
        head: ResponseHead,
        body: std::ops::Range<usize>,
        keep_alive: bool,
    ) -> Complete {
        Complete {
            status: head.status,
            body,
            keep_alive,
            idle_max: head.idle_max,
        }
    }

    fn read_head(&mut self, read: &mut Vec<u8>) -> Result<Option<ResponseHead>, HttpError> {
        loop {
            let mut usual = [const { MaybeUninit::uninit() }; HEADERS_USUAL];
            let mut more;
            let mut response = httparse::Response::new(&mut []);
            let parsed =
                parser().parse_response_with_uninit_headers(&mut response, read, &mut usual);
            let parsed = match parsed {
                Err(httparse::Error::TooManyHeaders) => {
                    let most = read.len().min(HEAD_BYTES_MAX) / HEADER_BYTES_MIN;
                    more = vec![MaybeUninit::uninit(); most];
                    response = httparse::Response::new(&mut []);
                    parser().parse_response_with_uninit_headers(&mut response, read, &mut more)
                }
                parsed => parsed,
            };
            let httparse::Status::Complete(length) = parsed.map_err(malformed)? else {
                return match read.len() > HEAD_BYTES_MAX {
                    true => Err(HttpError::TooLong),
                    false => Ok(None),
                };
            };
            let status = response.code.unwrap_or_default();
            if (100..200).contains(&status) && status != 101 {
                // An informational answer; the final one follows.
                read.drain(..length);
                continue;
            }
            let mut head = ResponseHead {
                status,
                keep_alive: response.version == Some(1),
                closes: status == 101,
                idle_max: None,
                length: None,
                is_coded: false,
                framing: Framing::UntilClose,
            };
            for header in response.headers.iter() {
                head.header(header.name, header.value)?;
                self.headers.add(header.name, header.value);
            }
            head.end(self.to_head);
            match head.framing {
                Framing::Length(length) if length > self.bytes_max => {
                    return Err(HttpError::TooLong);
                }
                Framing::Length(_) | Framing::UntilClose => self.body_start = length,
                Framing::Chunked => drop(read.drain(..length)),
            }
            self.head = Some(head);
            return Ok(self.head);
        }
    }
}

/// A length: digits, or the same ones several times (RFC 9110, 8.6).
fn length(value: &[u8]) -> Result<usize, HttpError> {
    let mut found = None;
    for part in value.split(|b| *b == b',') {
        let part = part.trim_ascii();
        if part.is_empty() || !part.iter().all(u8::is_ascii_digit) {
            return Err(malformed("content-length is not a number"));
        }
        // More digits than fit are more bytes than fit.
        let length = part.iter().fold(0_usize, |length, digit| {
            let digit = usize::from(digit - b'0');
            length.saturating_mul(10).saturating_add(digit)
        });
        if found.is_some_and(|before| before != length) {
            return Err(malformed("two different content-lengths"));
        }
        found = Some(length);
    }
    found.ok_or_else(|| malformed("content-length is not a number"))
}

/// The words of a list such as `keep-alive, Upgrade`.
fn words(value: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    let parts = value.split(|b| *b == b',');
    parts
        .map(<[u8]>::trim_ascii)
        .filter(|part| !part.is_empty())
}

impl ResponseHead {
    fn header(&mut self, name: &str, value: &[u8]) -> Result<(), HttpError> {
        if name.eq_ignore_ascii_case("content-length") {
            let length = length(value)?;
            if self.length.is_some_and(|before| before != length) {
                return Err(malformed("two different content-lengths"));
            }
            self.length = Some(length);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            // Overrides a length (RFC 9112, 6.3). Without chunks as the last coding the answer ends with the connection.
            match words(value).next_back() {
                Some(last) if last.eq_ignore_ascii_case(b"chunked") => {
                    (self.framing, self.is_coded) = (Framing::Chunked, false);
                }
                Some(last) if !last.eq_ignore_ascii_case(b"identity") => {
                    self.is_coded = true;
                }
                _ => {}
            }
        } else if name.eq_ignore_ascii_case("connection") {
            let has = |word: &[u8]| words(value).any(|part| part.eq_ignore_ascii_case(word));
            // Several lines are one list, in which `close` wins (RFC 9112, 9.6).
            self.keep_alive |= has(b"keep-alive");
            self.closes |= has(b"close");
        } else if name.eq_ignore_ascii_case("keep-alive") {
            let seconds = words(value).find_map(|part| {
                let text = std::str::from_utf8(part).ok()?;
                text.strip_prefix("timeout=")?.trim().parse().ok()
            });
            self.idle_max = seconds.map(Duration::from_secs);
        }
        Ok(())
    }

    /// After the last header: how the body's end is known.
    fn end(&mut self, to_head: bool) {
        self.keep_alive &= !self.closes;
        if to_head || matches!(self.status, 101 | 204 | 304) {
            self.framing = Framing::Length(0);
        } else if self.is_coded {
            self.framing = Framing::UntilClose;
        } else if let (Framing::UntilClose, Some(length)) = (self.framing, self.length) {
            self.framing = Framing::Length(length);
        }
    }
}

#[cfg(test)]
mod tests;
