//! Decodes answers: finds where an answer ends and whether the connection can be used again. Pure: it gets the bytes read so far
//! and says whether the answer is complete. Must not know sockets.

use std::mem::MaybeUninit;

use super::entity_tag::version_of_tag;
use super::error::HttpError;

/// More headers than this are refused.
const HEADERS_MAX: usize = 128;
/// A longer head is refused.
const HEAD_BYTES_MAX: usize = 256 << 10;

/// How the end of the body is known.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Chunk {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
}

#[derive(Debug, Clone, Copy)]
struct ResponseHead {
    status: u16,
    version: Option<u64>,
    keep_alive: bool,
    framing: Framing,
}

/// A complete answer, in the buffer it was read into or, if chunked, in `Decoder::chunks`.
#[derive(Debug)]
pub struct Complete {
    /// The status.
    pub status: u16,
    /// The version that the header `ETag` names.
    pub version: Option<u64>,
    /// The body's range in the bytes read; for chunks, in `Decoder::chunks`.
    pub body: std::ops::Range<usize>,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
}

/// Decodes one answer while it is being read.
#[derive(Debug)]
pub struct Decoder {
    to_head: bool,
    /// Whether to keep `server_timing`.
    wants_timing: bool,
    /// The value of the header `Server-Timing`.
    pub server_timing: Option<String>,
    /// The headers, if they are wanted.
    pub headers: Option<Vec<(String, String)>>,
    bytes_max: usize,
    head: Option<ResponseHead>,
    /// The index of the body in the bytes read.
    body_start: usize,
    chunk: Chunk,
    /// The body without its chunks' sizes.
    pub chunks: Option<Vec<u8>>,
}

fn malformed(problem: impl ToString) -> HttpError {
    HttpError::Malformed(problem.to_string())
}

impl Decoder {
    /// A decoder for the answer to one request. The answer to a HEAD has no body, whatever its headers say.
    pub fn new(to_head: bool, bytes_max: usize, wants_timing: bool) -> Self {
        Self {
            to_head,
            wants_timing,
            server_timing: None,
            headers: None,
            bytes_max,
            head: None,
            body_start: 0,
            chunk: Chunk::Size,
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
            Framing::Chunked => Ok(self.unchunk(read)?.then(|| {
                let length = self.chunks.as_ref().map_or(0, Vec::len);
                self.complete(head, 0..length, head.keep_alive && read.is_empty())
            })),
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
            _ => Err(HttpError::ConnectionLost(format!(
                "closed after {} bytes of an answer",
                read.len()
            ))),
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
            version: head.version,
            body,
            keep_alive,
        }
    }

    fn read_head(&mut self, read: &mut Vec<u8>) -> Result<Option<ResponseHead>, HttpError> {
        loop {
            let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
            let mut response = httparse::Response::new(&mut []);
            let parsed = httparse::ParserConfig::default()
                .parse_response_with_uninit_headers(&mut response, read, &mut headers)
                .map_err(malformed)?;
            let httparse::Status::Complete(length) = parsed else {
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
                version: None,
                keep_alive: response.version == Some(1),
                framing: Framing::UntilClose,
            };
            for header in response.headers.iter() {
                head.header(header.name, header.value)?;
                if let Some(headers) = &mut self.headers {
                    let value = String::from_utf8_lossy(header.value).into_owned();
                    headers.push((header.name.to_owned(), value));
                }
                if self.wants_timing && header.name.eq_ignore_ascii_case("server-timing") {
                    let said = self.server_timing.get_or_insert_default();
                    // Several headers of this name are one list (RFC 9110, 5.3).
                    if !said.is_empty() {
                        said.push(',');
                    }
                    said.push_str(&String::from_utf8_lossy(header.value));
                }
            }
            if self.to_head || matches!(status, 101 | 204 | 304) {
                head.framing = Framing::Length(0);
            }
            match head.framing {
                Framing::Length(length) if length > self.bytes_max => {
                    return Err(HttpError::TooLong);
                }
                Framing::Length(_) | Framing::UntilClose => self.body_start = length,
                Framing::Chunked => {
                    read.drain(..length);
                    self.chunks = Some(Vec::new());
                }
            }
            self.head = Some(head);
            return Ok(self.head);
        }
    }

    /// Moves complete chunks from `read` to `chunks`; returns whether the last one was there.
    fn unchunk(&mut self, read: &mut Vec<u8>) -> Result<bool, HttpError> {
        let body = self.chunks.get_or_insert_default();
        let mut at = 0;
        let mut done = false;
        while !done {
            let rest = &read[at..];
            match self.chunk {
                Chunk::Size => match httparse::parse_chunk_size(rest) {
                    Ok(httparse::Status::Complete((length, size))) => {
                        at += length;
                        if size > (self.bytes_max - body.len().min(self.bytes_max)) as u64 {
                            return Err(HttpError::TooLong);
                        }
                        self.chunk = match size {
                            0 => Chunk::Trailers,
                            size => Chunk::Data(size),
                        };
                    }
                    Ok(httparse::Status::Partial) => break,
                    Err(_) => return Err(malformed("a chunk without a size")),
                },
                Chunk::Data(left) => {
                    let length = rest.len().min(left as usize);
                    body.extend_from_slice(&rest[..length]);
                    at += length;
                    self.chunk = match left - length as u64 {
                        0 => Chunk::DataEnd,
                        left => Chunk::Data(left),
                    };
                    if length == 0 {
                        break;
                    }
                }
                Chunk::DataEnd if rest.len() < 2 => break,
                Chunk::DataEnd if rest.starts_with(b"\r\n") => {
                    at += 2;
                    self.chunk = Chunk::Size;
                }
                Chunk::DataEnd => return Err(malformed("a chunk is longer than its size")),
                Chunk::Trailers => {
                    let mut trailers = [httparse::EMPTY_HEADER; HEADERS_MAX];
                    match httparse::parse_headers(rest, &mut trailers).map_err(malformed)? {
                        httparse::Status::Complete((length, _)) => {
                            at += length;
                            done = true;
                        }
                        httparse::Status::Partial => break,
                    }
                }
            }
        }
        read.drain(..at);
        Ok(done)
    }
}

impl ResponseHead {
    fn header(&mut self, name: &str, value: &[u8]) -> Result<(), HttpError> {
        if name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(value)
                .ok()
                .and_then(|v| v.trim().parse().ok());
            let length = length.ok_or_else(|| malformed("content-length is not a number"))?;
            match self.framing {
                Framing::Length(before) if before != length => {
                    return Err(malformed("two different content-lengths"));
                }
                Framing::Chunked => {}
                _ => self.framing = Framing::Length(length),
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            // Chunked encoding overrides a length (RFC 9112, 6.3).
            if value.to_ascii_lowercase().ends_with(b"chunked") {
                self.framing = Framing::Chunked;
            }
        } else if name.eq_ignore_ascii_case("etag") {
            self.version = std::str::from_utf8(value).ok().and_then(version_of_tag);
        } else if name.eq_ignore_ascii_case("connection") {
            let value = value.to_ascii_lowercase();
            let has = |word: &[u8]| {
                value
                    .split(|b| *b == b',')
                    .any(|part| part.trim_ascii() == word)
            };
            self.keep_alive = (self.keep_alive || has(b"keep-alive")) && !has(b"close");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: usize = 1_000;

    /// Decodes an answer in pieces of this size. Returns status, body, and whether the connection can be used again.
    fn decode(answer: &str, to_head: bool, piece: usize) -> Result<(u16, String, bool), HttpError> {
        let mut decoder = Decoder::new(to_head, BYTES_MAX, false);
        let mut read = Vec::new();
        for bytes in answer.as_bytes().chunks(piece) {
            read.extend_from_slice(bytes);
            if let Some(complete) = decoder.advance(&mut read)? {
                let body = decoder.chunks.as_ref().unwrap_or(&read);
                let text = String::from_utf8(body[complete.body].to_vec()).unwrap();
                return Ok((complete.status, text, complete.keep_alive));
            }
        }
        let complete = decoder.closed(&read)?;
        let text = String::from_utf8(read[complete.body].to_vec()).unwrap();
        Ok((complete.status, text, complete.keep_alive))
    }

    #[test]
    fn the_end_of_an_answer_is_found_however_it_was_cut_into_pieces() {
        let rows = [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                false,
                (200, "hello", true),
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
                true,
                (200, "", true),
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n", false, (204, "", true)),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok",
                false,
                (201, "ok", true),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
                false,
                (200, "hello", true),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n",
                false,
                (200, "hello", true),
            ),
            (
                "HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 2\r\n\r\nok",
                false,
                (200, "ok", false),
            ),
            (
                "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
                false,
                (200, "ok", true),
            ),
            (
                "HTTP/1.1 200 OK\r\n\r\nuntil the end",
                false,
                (200, "until the end", false),
            ),
        ];
        for (answer, to_head, (status, body, keep_alive)) in rows {
            for piece in [1, 2, 7, 1_000] {
                let found = decode(answer, to_head, piece).unwrap();
                assert_eq!(
                    found,
                    (status, body.to_owned(), keep_alive),
                    "{answer:?} in pieces of {piece}"
                );
            }
        }
    }

    #[test]
    fn what_a_server_says_of_its_time_is_kept_where_it_is_asked_for() {
        let answer = "HTTP/1.1 200 OK\r\nServer-Timing: a;dur=1\r\nserver-timing: b;dur=2\r\n\
                      content-length: 0\r\n\r\n";
        for (wanted, expected) in [(true, Some("a;dur=1,b;dur=2")), (false, None)] {
            let mut decoder = Decoder::new(false, BYTES_MAX, wanted);
            decoder.advance(&mut answer.into()).unwrap();
            assert_eq!(decoder.server_timing.as_deref(), expected);
        }
    }

    #[test]
    fn what_is_no_answer_or_too_much_of_one_is_refused() {
        let kind = |answer: &str| decode(answer, false, 1_000).unwrap_err().to_string();
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let rows = [
            ("hello\r\n\r\n".to_owned(), "answer is not HTTP"),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok".to_owned(),
                "answer is not HTTP",
            ),
            (format!("{chunked}x\r\n"), "answer is not HTTP"),
            (format!("{chunked}2\r\nabc\r\n"), "answer is not HTTP"),
            (format!("{chunked}ffff\r\n"), "answer too long"),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n".to_owned(),
                "answer too long",
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort".to_owned(),
                "connection lost",
            ),
            (String::new(), "connection lost"),
        ];
        for (answer, expected) in rows {
            assert_eq!(kind(&answer), expected, "{answer:?}");
        }
    }
}
